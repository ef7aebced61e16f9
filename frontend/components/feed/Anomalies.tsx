'use client'

import { useQuery } from '@tanstack/react-query'
import { useQueryStates } from 'nuqs'
import { useCallback } from 'react'
import { ApiError } from '@/lib/api'
import { both, checkOf } from '@/lib/filters'
import { useKeys } from '@/lib/keys'
import type { Row } from '@/lib/schemas'
import { anomaliesUrl } from '@/lib/url'
import { streamNow } from '@/lib/live/clock'
import { effective, STATUS_LABELS } from '@/lib/verdicts'
import { ANOMALY_COLUMNS } from './columns'
import { FeedList } from './FeedList'
import { NothingHere } from './NothingHere'
import styles from './page.module.css'
import { Choice, Toolbar } from './Toolbar'

const ASK_AGAIN_MS = 2_000
const STATUS_OPTIONS = [...Object.entries(STATUS_LABELS), ['all', 'All']] as [
  keyof typeof STATUS_LABELS | 'all',
  string,
][]
const SEVERITY_OPTIONS = [
  ['all', 'All'],
  ['suspicious', 'Suspicious +'],
  ['critical', 'Critical'],
] as const
const SORT_OPTIONS = [
  ['score', 'Worst first'],
  ['time', 'Newest first'],
] as const
const GROUP_OPTIONS = [
  ['alert', 'Every alert'],
  ['case', 'Cases'],
] as const

/** What was flagged, for somebody to decide on. */
export function Anomalies() {
  const [url, setUrl] = useQueryStates(anomaliesUrl)
  const { open, status, severity, sort, group } = url
  const within = severity === 'all' ? '' : `severity>=${severity}`
  const q = both(url.q, within)
  const list = { of: 'anomalies', within, status } as const
  const check = useQuery({
    ...checkOf(url.q, list),
    refetchInterval: ({ state }) => state.error instanceof ApiError && state.error.passing && ASK_AGAIN_MS,
  })
  // A filter that is about triage says itself of which status, as in the console.
  const filtered = check.data?.fields.includes('triage') ?? false
  const chosen = filtered ? 'all' : status
  const shown = both(q, chosen === 'all' ? '' : `triage:${chosen}`)
  const onOpen = useCallback((id: string | null) => void setUrl({ open: id }), [setUrl])
  const narrow = (change: Partial<typeof url>) => void setUrl({ ...change, open: null }, { history: 'push' })
  const keeps = (row: Row) => row.flagged && (chosen === 'all' || effective(row.triage, streamNow()) === chosen)
  useKeys({
    r: () => narrow({ sort: sort === 'time' ? 'score' : 'time' }),
    B: () => narrow({ group: group === 'alert' ? 'case' : 'alert' }),
  })
  return (
    <div className={styles.page}>
      <h1 className="visually-hidden">Anomalies</h1>
      <Toolbar
        q={url.q}
        list={list}
        onFilter={(filter) => narrow({ q: filter })}
        exported={{ q: shown, of: 'anomalies' }}
      >
        <Choice
          label="Status"
          value={status}
          options={STATUS_OPTIONS}
          onChoose={(choice) => narrow({ status: choice })}
          instead={filtered ? 'By the filter' : undefined}
        />
        <Choice
          label="Severity"
          value={severity}
          options={SEVERITY_OPTIONS}
          onChoose={(choice) => narrow({ severity: choice })}
        />
        <Choice label="Sort" value={sort} options={SORT_OPTIONS} onChoose={(choice) => narrow({ sort: choice })} />
        <Choice label="Group" value={group} options={GROUP_OPTIONS} onChoose={(choice) => narrow({ group: choice })} />
      </Toolbar>
      <FeedList
        key={JSON.stringify([q, chosen, sort])}
        listing={{
          path: '/api/anomalies',
          parameters: { q, status: chosen, sort },
          topic: { of: 'anomalies', q },
          keeps,
          ranked: sort === 'score',
        }}
        toDecide={chosen === 'all' ? { q, open: !filtered } : { q: shown, open: chosen === 'open' }}
        label="Anomalies"
        kind="anomalies"
        columns={ANOMALY_COLUMNS}
        grouped={group === 'case'}
        open={open}
        onOpen={onOpen}
        empty={
          <NothingHere
            filtered={q !== '' || status !== 'open'}
            among={chosen === 'all' ? undefined : STATUS_LABELS[chosen].toLowerCase()}
            onWiden={() => narrow({ status: 'all' })}
            onClear={() => narrow({ q: '', severity: 'all', status: 'open' })}
          >
            No open anomalies. What the detectors flag appears here at once.
          </NothingHere>
        }
      />
    </div>
  )
}
