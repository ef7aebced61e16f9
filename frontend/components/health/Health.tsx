'use client'

import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { Figure, Figures, Panel } from '@/components/common/Panel'
import { ProblemNote } from '@/components/common/ProblemNote'
import { useLive } from '@/components/useLive'
import { ApiError, get } from '@/lib/api'
import { health, type Health as Answer, stats, type Stats } from '@/lib/engine'
import { count } from '@/lib/numbers'
import { problem } from '@/lib/problem'
import { span } from '@/lib/time'
import { DeadLetters } from './DeadLetters'
import styles from './Health.module.css'
import { History } from './History'
import { Log, Timeline } from './Past'
import { Drift, Partitions, Workers } from './tables'

const STATUS_LABELS: Readonly<Record<Answer['status'], string>> = { ok: 'OK', degraded: 'Degraded', down: 'Down' }

/** The condition of every part of the engine. */
export function Health() {
  const { status } = useLive()
  const { data, error } = useQuery({
    queryKey: ['health'],
    queryFn: ({ signal }) => get(health, '/api/health', {}, signal),
    refetchInterval: 1_000,
    placeholderData: keepPreviousData,
  })
  const { data: counted } = useQuery({
    queryKey: ['stats'],
    queryFn: ({ signal }) => get(stats, '/api/stats', {}, signal),
    refetchInterval: 5_000,
    placeholderData: keepPreviousData,
  })
  return (
    <div className={styles.page}>
      <h1 className="visually-hidden">Health</h1>
      {error instanceof ApiError && <ProblemNote problem={error.problem} passing={error.passing} />}
      {!data && !error && <p className="muted">Loading…</p>}
      {data && (
        <>
          {!data.database_up && (
            <ProblemNote
              problem={problem(
                503,
                'The database does not answer',
                'Transactions wait in Kafka until it is back; nothing is lost. Lists and searches show nothing new.',
              )}
            />
          )}
          <Condition health={data} stats={counted} lag={counted?.snapshot.lag ?? status?.lag} />
          <History now={counted?.snapshot} />
          <div className={styles.columns}>
            <div className={styles.side}>
              <Panel title="Workers" flush>
                <Workers workers={data.workers} at={data.at} />
              </Panel>
              <Timeline />
              <Log />
            </div>
            <div className={styles.side}>
              <Panel title="Connections">
                <dl className={styles.facts}>
                  <dt>Kafka</dt>
                  <dd>
                    <bdi>{data.broker}</bdi>
                  </dd>
                  <dt>PostgreSQL</dt>
                  <dd>
                    <bdi>{data.database}</bdi>
                  </dd>
                  {Object.entries(data.model_versions).map(([detector, version]) => (
                    <div key={detector}>
                      <dt>Model, {detector}</dt>
                      <dd>{version}</dd>
                    </div>
                  ))}
                  <dt>Version</dt>
                  <dd>{data.version}</dd>
                </dl>
              </Panel>
              <Panel title="Partitions" flush>
                <Partitions partitions={data.partitions} />
              </Panel>
              <Panel title="Drift" aside="population stability index" flush>
                <Drift drift={data.drift} />
              </Panel>
            </div>
          </div>
          <DeadLetters />
        </>
      )}
    </div>
  )
}

const total = (counts: Record<string, number>) => Object.values(counts).reduce((sum, each) => sum + each, 0)

function Condition({ health, stats, lag }: { health: Answer; stats: Stats | undefined; lag: number | undefined }) {
  const now = stats?.snapshot
  const milliseconds = (seconds: number) => count(seconds * 1000)
  return (
    <Figures>
      <Figure
        name="Condition"
        value={STATUS_LABELS[health.status]}
        tone={health.status === 'ok' ? 'good' : 'bad'}
        remark={`up ${span((Date.parse(health.at) - Date.parse(health.started_at)) / 1000)}`}
        data-testid="condition"
        data-status={health.status}
      />
      <Figure
        name="Latency p50"
        value={now ? `${milliseconds(now.latency_p50)} ms` : '–'}
        remark={now && `p95 ${milliseconds(now.latency_p95)}, p99 ${milliseconds(now.latency_p99)}`}
      />
      <Figure name="Kafka lag" value={lag === undefined ? '–' : count(lag)} remark="records" />
      <Figure name="Writer queue" value={now ? count(now.writer_queue) : '–'} remark="records" />
      <Figure
        name="Late"
        value={now ? count(now.late) : '–'}
        remark={now && `${count(now.duplicates)} duplicates, ${count(total(now.skipped))} skipped`}
      />
      <Figure
        name="Offset gaps"
        value={now ? count(now.offset_gaps) : '–'}
        tone={now?.offset_gaps ? 'bad' : undefined}
        remark={now && `${count(now.dead_letters)} dead letters`}
      />
    </Figures>
  )
}
