'use client'

import { keepPreviousData, useQuery } from '@tanstack/react-query'
import Link from 'next/link'
import { useRouter } from 'next/navigation'
import { useQueryStates } from 'nuqs'
import { useState } from 'react'
import { Bar } from '@/components/charts/Bar'
import table from '@/components/common/Table.module.css'
import { ProblemNote } from '@/components/common/ProblemNote'
import { FilterBox } from '@/components/feed/FilterBox'
import { Choice } from '@/components/feed/Toolbar'
import { useDelayed } from '@/components/useDelayed'
import { useLive } from '@/components/useLive'
import { ApiError, get } from '@/lib/api'
import { usersBy } from '@/lib/filters'
import { useKeys } from '@/lib/keys'
import { roundMoney } from '@/lib/money'
import { count, percent, score } from '@/lib/numbers'
import { dayAndClock } from '@/lib/time'
import { usersUrl } from '@/lib/url'
import { users, type UserSummary } from '@/lib/users'
import styles from './Users.module.css'

const FIRST = 50
const MOST = 200

const ORDERS = [
  ['flagged', 'Most flagged'],
  ['last', 'Seen last'],
  ['id', 'By id'],
] as const

/** Users to look for: by the beginning of their id, by what they did, or by how often they were flagged. */
export function Users() {
  useLive()
  const router = useRouter()
  const [{ prefix, q, order }, setUrl] = useQueryStates(usersUrl)
  const [selected, setSelected] = useState(-1)
  const [limit, setLimit] = useState(FIRST)
  const asked = useDelayed(prefix, 150)
  const { data, error, isPending } = useQuery({
    queryKey: ['users', asked, q, order, limit],
    queryFn: ({ signal }) => get(users, '/api/users', { ...usersBy(asked, q), order, limit }, signal),
    refetchInterval: 3_000,
    placeholderData: keepPreviousData,
  })
  const found = data?.users ?? []
  const last = found.length - 1
  const most = Math.max(...found.map(shareFlagged), Number.MIN_VALUE)
  useKeys({
    j: () => setSelected(Math.min(selected + 1, last)),
    k: () => setSelected(Math.max(selected - 1, 0)),
    Enter: (event) => {
      const user = found[selected]
      if (!user || event.target !== document.body) return false
      router.push(`/users/${encodeURIComponent(user.user_id)}`)
    },
    Escape: () => setSelected(-1),
  })
  return (
    <div className={styles.page}>
      <h1 className="visually-hidden">Users</h1>
      <div className={styles.bar}>
        <label className={styles.prefix}>
          <span>User id</span>
          <input
            value={prefix}
            onChange={(event) => void setUrl({ prefix: event.target.value || null })}
            placeholder="begins with…"
            autoComplete="off"
            spellCheck={false}
            data-testid="prefix"
          />
        </label>
        <FilterBox value={q} onApply={(filter) => void setUrl({ q: filter || null }, { history: 'push' })} />
        <Choice label="Order" value={order} options={ORDERS} onChoose={(choice) => void setUrl({ order: choice })} />
      </div>
      {error instanceof ApiError && (
        <div className={styles.note}>
          <ProblemNote problem={error.problem} passing={error.passing} />
        </div>
      )}
      {found.length > 0 ? (
        <div className={styles.scroll} tabIndex={0} role="region" aria-label="Users found">
          <table className={table.table}>
            <thead>
              <tr>
                <th scope="col">User</th>
                <th scope="col" className="number">
                  Flagged
                </th>
                <th scope="col" className={`number ${styles.wide}`}>
                  Transactions
                </th>
                <th scope="col" className="number">
                  Usual amount
                </th>
                <th scope="col" className={`number ${styles.wide}`}>
                  Threshold
                </th>
                <th scope="col">Seen last (UTC)</th>
                <th scope="col" className={styles.wide}>
                  Share flagged
                </th>
              </tr>
            </thead>
            <tbody>
              {found.map((user, index) => (
                <Line key={user.user_id} user={user} most={most} selected={index === selected} />
              ))}
            </tbody>
          </table>
          {data?.more && (
            <p className={styles.more}>
              {limit < MOST ? (
                <button type="button" onClick={() => setLimit(MOST)}>
                  Show {MOST}
                </button>
              ) : (
                'There are more. Narrow the search to see them.'
              )}
            </p>
          )}
        </div>
      ) : (
        !error && (
          <p className={styles.empty} data-testid={isPending ? 'loading' : 'empty'}>
            {isPending
              ? 'Loading…'
              : prefix || q
                ? 'No user matches.'
                : 'No users yet. They appear with their first transaction.'}
          </p>
        )
      )}
    </div>
  )
}

const shareFlagged = (user: UserSummary) => (user.seen > 0 ? user.flagged / user.seen : 0)

function Line({ user, most, selected }: { user: UserSummary; most: number; selected: boolean }) {
  return (
    <tr data-testid="user" data-id={user.user_id} className={selected ? styles.selected : undefined}>
      <td>
        <Link href={`/users/${encodeURIComponent(user.user_id)}`}>
          <bdi>{user.user_id}</bdi>
        </Link>
      </td>
      <td className="number">
        {user.flagged > 0 ? <strong className={styles.flagged}>{count(user.flagged)}</strong> : 0}
      </td>
      <td className={`number ${styles.wide}`}>
        {count(user.seen)}
        {user.seen < user.needed && <span className="muted"> of {user.needed} needed</span>}
      </td>
      <td className="number">
        {roundMoney(user.mean_amount, user.currency)} <bdi className="muted">{user.currency}</bdi>
      </td>
      <td className={`number ${styles.wide}`}>{score(user.threshold)}</td>
      <td>{user.last_at ? dayAndClock(user.last_at) : '–'}</td>
      <td className={styles.wide}>
        <span className={styles.share}>
          <span className="number">{percent(shareFlagged(user))}</span>
          <Bar share={shareFlagged(user) / most} />
        </span>
      </td>
    </tr>
  )
}
