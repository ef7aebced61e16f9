'use client'

import { keepPreviousData, useQuery } from '@tanstack/react-query'
import Link from 'next/link'
import { useRouter } from 'next/navigation'
import { Figure, Figures, Panel } from '@/components/common/Panel'
import { ProblemNote } from '@/components/common/ProblemNote'
import { useLive } from '@/components/useLive'
import { ApiError, get, withParameters } from '@/lib/api'
import { ofUser } from '@/lib/filters'
import { useKeys } from '@/lib/keys'
import { roundMoney } from '@/lib/money'
import { count, pace, score } from '@/lib/numbers'
import { dayAndClock } from '@/lib/time'
import { type Profile, user as userSchema } from '@/lib/users'
import { Patterns } from './Patterns'
import styles from './UserProfile.module.css'
import { UserAnomalies } from './UserAnomalies'

/** One user: what is usual for them, and what was not. */
export function UserProfile({ id }: { id: string }) {
  useLive()
  const router = useRouter()
  useKeys({ Escape: () => router.push('/users') })
  const { data, error } = useQuery({
    queryKey: ['user', id],
    queryFn: ({ signal }) => get(userSchema, `/api/users/${encodeURIComponent(id)}`, {}, signal),
    refetchInterval: 2_000,
    placeholderData: keepPreviousData,
  })
  return (
    <div className={styles.page}>
      <header className={styles.header}>
        <div>
          <Link href="/users">Users</Link>
          <h1>
            <bdi>{id}</bdi>
          </h1>
        </div>
        <nav aria-label="This user" className={styles.links}>
          <Link className="button" href={withParameters('/transactions', { q: ofUser(id) })}>
            Transactions
          </Link>
          <Link className="button" href={withParameters('/anomalies', { q: ofUser(id), status: 'all' })}>
            Anomalies
          </Link>
        </nav>
      </header>
      {error instanceof ApiError && <ProblemNote problem={error.problem} passing={error.passing} />}
      {!data && !error && <p className="muted">Loading…</p>}
      {data && (
        <>
          <Habits profile={data.profile} />
          <Patterns profile={data.profile} />
          <Panel title="Last anomalies" flush>
            <UserAnomalies rows={data.anomalies} />
          </Panel>
        </>
      )}
    </div>
  )
}

function Habits({ profile }: { profile: Profile }) {
  const { seen, needed, flagged, mean_amount, sd_amount, per_day, threshold, currency, as_of } = profile
  return (
    <Figures>
      <Figure
        name="Transactions"
        value={count(seen)}
        remark={
          seen < needed
            ? `of ${needed} needed: judged by the population`
            : as_of
              ? `last ${dayAndClock(as_of)}`
              : undefined
        }
      />
      <Figure name="Flagged" value={count(flagged)} tone={flagged > 0 ? 'bad' : undefined} />
      <Figure
        name="Usual amount"
        value={roundMoney(mean_amount, currency)}
        remark={`± ${roundMoney(sd_amount, currency)} ${currency}`}
      />
      <Figure name="Pace" value={pace(per_day)} remark="a day" />
      <Figure name="Threshold" value={score(threshold)} remark="score that is flagged" />
    </Figures>
  )
}
