'use client'

import { useQueryStates } from 'nuqs'
import { useCallback } from 'react'
import { transactionsUrl } from '@/lib/url'
import { TRANSACTION_COLUMNS } from './columns'
import { NothingHere } from './NothingHere'
import { FeedList } from './FeedList'
import styles from './page.module.css'
import { Toolbar } from './Toolbar'

const everything = () => true

/** All transactions as they come in, and back in time. */
export function Transactions() {
  const [{ q, open }, setUrl] = useQueryStates(transactionsUrl)
  const onOpen = useCallback((id: string | null) => void setUrl({ open: id }), [setUrl])
  const onFilter = (filter: string) => void setUrl({ q: filter || null, open: null }, { history: 'push' })
  return (
    <div className={styles.page}>
      <h1 className="visually-hidden">Transactions</h1>
      <Toolbar q={q} list={{ of: 'transactions' }} onFilter={onFilter} exported={{ q, of: 'transactions' }} />
      <FeedList
        key={q}
        listing={{ path: '/api/transactions', parameters: { q }, topic: { of: 'transactions', q }, keeps: everything }}
        label="Transactions"
        kind="transactions"
        columns={TRANSACTION_COLUMNS}
        open={open}
        onOpen={onOpen}
        empty={
          <NothingHere filtered={q !== ''} onClear={() => onFilter('')}>
            No transactions yet. They appear here within a second of being stored.
          </NothingHere>
        }
      />
    </div>
  )
}
