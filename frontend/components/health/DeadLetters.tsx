'use client'

import { useInfiniteQuery } from '@tanstack/react-query'
import { Panel } from '@/components/common/Panel'
import { ProblemNote } from '@/components/common/ProblemNote'
import table from '@/components/common/Table.module.css'
import { ApiError, get } from '@/lib/api'
import { deadLetters } from '@/lib/engine'
import { dayAndClock } from '@/lib/time'
import styles from './Health.module.css'

const PAGE = 20
const EVERY_MS = 10_000

/** Records that could not become transactions, newest first. */
export function DeadLetters() {
  const { data, error, hasNextPage, fetchNextPage, isFetchingNextPage } = useInfiniteQuery({
    queryKey: ['dead letters'],
    queryFn: ({ pageParam, signal }) =>
      get(deadLetters, '/api/dead-letters', { limit: PAGE, cursor: pageParam }, signal),
    initialPageParam: '',
    getNextPageParam: (page) => page.next,
    refetchInterval: EVERY_MS,
  })
  const letters = data?.pages.flatMap((page) => page.rows) ?? []
  return (
    <Panel title="Dead letters" aside="records that could not become transactions" flush>
      {error instanceof ApiError && <ProblemNote problem={error.problem} passing={error.passing} />}
      {letters.length === 0 ? (
        <p className={styles.none}>{data ? 'None.' : 'Loading…'}</p>
      ) : (
        <table className={table.table} data-testid="dead-letters">
          <thead>
            <tr>
              <th scope="col">Stored (UTC)</th>
              <th scope="col">Where</th>
              <th scope="col">Reason</th>
              <th scope="col">Begins with</th>
            </tr>
          </thead>
          <tbody>
            {letters.map((letter) => (
              <tr key={`${letter.topic} ${letter.partition} ${letter.offset}`}>
                <td style={{ whiteSpace: 'nowrap' }}>{dayAndClock(letter.stored_at)}</td>
                <td>
                  <bdi>{letter.topic}</bdi> {letter.partition}/{letter.offset}
                </td>
                <td>
                  <bdi>{letter.reason}</bdi>
                </td>
                <td className={`mono ${styles.excerpt}`}>
                  <bdi>{letter.excerpt}</bdi>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {hasNextPage && (
        <p className={styles.none}>
          <button type="button" onClick={() => void fetchNextPage()} disabled={isFetchingNextPage}>
            Older ones
          </button>
        </p>
      )}
    </Panel>
  )
}
