import { Amounts } from '@/components/charts/Amounts'
import { Columns } from '@/components/charts/Columns'
import { Course } from '@/components/charts/Course'
import { Shares } from '@/components/charts/Shares'
import { Panel } from '@/components/common/Panel'
import { percent } from '@/lib/numbers'
import type { Profile, ShareOf } from '@/lib/users'
import styles from './UserProfile.module.css'

const HOURS = Array.from({ length: 24 }, (_, hour) => String(hour))
const WEEKDAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun']

/** The habits of a user, drawn. */
export function Patterns({ profile }: { profile: Profile }) {
  return (
    <div className={styles.patterns} data-testid="profile">
      <Panel title="Amounts" aside={`last ${profile.recent_amounts.length}, in ${profile.currency}`}>
        <Amounts
          amounts={profile.recent_amounts}
          mean={profile.mean_amount}
          deviation={profile.sd_amount}
          currency={profile.currency}
        />
      </Panel>
      <Panel title="Hours" aside="by the sun where the user is">
        <Weights values={profile.hours} names={HOURS} what="hours of the day" every={3} />
      </Panel>
      <Panel title="Weekdays">
        <Weights values={profile.weekdays} names={WEEKDAYS} what="weekdays" />
      </Panel>
      <Panel title="Threshold" aside="how it moved">
        <Course points={profile.thresholds} />
      </Panel>
      <Usual title="Countries" shares={profile.countries} />
      <Usual title="Merchant categories" shares={profile.categories} words />
      <Usual title="Merchants" shares={profile.merchants} />
      <Usual title="Devices" shares={profile.devices} />
      <Usual title="Payment methods" shares={profile.payment_methods} words />
    </div>
  )
}

function Weights({ values, names, what, every }: { values: number[]; names: string[]; what: string; every?: number }) {
  const most = values.indexOf(Math.max(...values))
  const label = values.some((value) => value > 0)
    ? `Share of transactions by ${what}; most at ${names[most]}, ${percent(values[most] ?? 0)}`
    : `No transactions by ${what} yet`
  return (
    <Columns
      values={values}
      names={names}
      label={label}
      every={every}
      tell={(value, name) => `${name}: ${percent(value)}`}
    />
  )
}

/** `words` are names of kinds, where an underscore stands for a space. */
function Usual({ title, shares, words = false }: { title: string; shares: readonly ShareOf[]; words?: boolean }) {
  return (
    <Panel title={title}>
      <Shares
        empty="None yet."
        lines={shares
          .slice(0, 8)
          .map(({ value, share }) => ({ name: words ? value.replaceAll('_', ' ') : value, share }))}
      />
    </Panel>
  )
}
