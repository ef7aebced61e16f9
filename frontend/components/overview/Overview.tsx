'use client'

import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { Figure, Figures, Panel } from '@/components/common/Panel'
import { ProblemNote } from '@/components/common/ProblemNote'
import { Shares } from '@/components/charts/Shares'
import { Spark } from '@/components/charts/Spark'
import { VolumeChart } from '@/components/charts/VolumeChart'
import { ApiError, get } from '@/lib/api'
import { type Stats, stats, steps, totalsOf, wholeSpan } from '@/lib/engine'
import { useHeard } from '@/lib/live/status'
import { brief, count, percent, rate } from '@/lib/numbers'
import { LatestAnomalies } from './LatestAnomalies'
import { QualityTable } from './QualityTable'
import styles from './Overview.module.css'

const EVERY_MS = 5_000

/** How things are: rates and counts now, the last hour, the newest anomalies, and how well the detectors do. */
export function Overview() {
  const { data, error } = useQuery({
    queryKey: ['stats'],
    queryFn: ({ signal }) => get(stats, '/api/stats', {}, signal),
    refetchInterval: EVERY_MS,
    placeholderData: keepPreviousData,
  })
  const span = wholeSpan(data?.step ?? 60)
  return (
    <div className={styles.page}>
      <h1 className="visually-hidden">Overview</h1>
      {error instanceof ApiError && <ProblemNote problem={error.problem} passing={error.passing} />}
      <Now stats={data} />
      <div className={styles.columns}>
        <div className={styles.main}>
          <Panel title="Volume" aside={data && data.step > 60 ? 'by hour of the stream, UTC' : 'by minute, UTC'}>
            {data ? <VolumeChart stats={data} /> : <div className={styles.waiting}>{error ? '' : 'Loading…'}</div>}
          </Panel>
          <LatestAnomalies />
        </div>
        <div className={styles.side}>
          <Panel title={`Merchant categories, ${span}`} aside="share · flagged">
            {data ? (
              <Categories categories={data.categories} span={span} />
            ) : (
              <p className="muted">{error ? '–' : 'Loading…'}</p>
            )}
          </Panel>
          <Panel title="Detector quality" aside="against ground truth, since start" flush>
            {data ? <QualityTable quality={data.quality} /> : <p className={styles.none}>{error ? '–' : 'Loading…'}</p>}
          </Panel>
        </div>
      </div>
    </div>
  )
}

function Now({ stats }: { stats: Stats | undefined }) {
  const { status, rates } = useHeard()
  const counted = stats && totalsOf(steps(stats))
  const open = status?.open_anomalies ?? null
  return (
    <Figures>
      <Figure
        name="Transactions per second"
        value={status ? rate(status.rate) : '–'}
        remark={<Spark values={rates} label="Transactions per second over the last two minutes" />}
      />
      <Figure name="Open anomalies" value={open === null ? '–' : count(open)} tone={open ? 'bad' : undefined} />
      <Figure
        name={`Flagged, ${wholeSpan(stats?.step ?? 60)}`}
        value={counted ? count(counted.flagged) : '–'}
        remark={
          counted && counted.transactions > 0
            ? `${percent(counted.flagged / counted.transactions)} of ${brief(counted.transactions)}`
            : undefined
        }
      />
      <Figure
        name="Detection latency p95"
        value={status ? `${count(status.latency_p95 * 1000)} ms` : '–'}
        remark="record to commit"
      />
      <Figure name="Kafka lag" value={status ? count(status.lag) : '–'} remark="records" />
      <Figure
        name="Stored"
        value={stats ? brief(stats.totals.transactions) : '–'}
        remark={stats ? `${brief(stats.totals.dead_letters)} dead letters` : undefined}
      />
    </Figures>
  )
}

function Categories({ categories, span }: { categories: Stats['categories']; span: string }) {
  return (
    <Shares
      empty={`No transactions in the ${span}.`}
      lines={categories.slice(0, 12).map(({ category, share, flagged }) => ({
        name: category.replaceAll('_', ' ') || 'unknown',
        share,
        remark: count(flagged),
      }))}
    />
  )
}
