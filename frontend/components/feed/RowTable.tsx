'use client'

import { type RefObject, useEffect, useRef } from 'react'
import { useNarrow } from '@/components/useNarrow'
import { useNow } from '@/components/useNow'
import { useStreamTime } from '@/lib/live/clock'
import { useKeys } from '@/lib/keys'
import type { Row } from '@/lib/schemas'
import { headline } from '@/lib/verdicts'
import type { Column } from './columns'
import styles from './RowTable.module.css'
import { useWindow } from './useWindow'

const HEIGHT = 28
const NARROW_HEIGHTS = { transactions: 56, anomalies: 78 } as const
const HEAD = 30

interface Properties {
  table: RefObject<HTMLDivElement | null>
  label: string
  kind: 'transactions' | 'anomalies'
  columns: readonly Column[]
  rows: readonly Row[]
  /** Of how many alerts a row's case is. */
  alerts?: (id: string) => number
  complete: boolean
  selected: string | null
  onSelect: (id: string) => void
  onOpen: (id: string) => void
  onScrolled: (away: boolean) => void
  onEnd: () => void
}

/** A table of any length of which only the rows in sight exist; one row of it is selected by `j`, `k` or a click. */
export function RowTable(properties: Properties) {
  const { table, label, kind, columns, rows, alerts, complete, selected, onSelect, onOpen, onScrolled, onEnd } =
    properties
  const narrow = useNarrow()
  const now = useStreamTime(useNow(10_000))
  const head = narrow ? 0 : HEAD
  const height = narrow ? NARROW_HEIGHTS[kind] : HEIGHT
  const { first, last, top, atEnd } = useWindow(table, rows.length, height)

  const away = top > height
  useEffect(() => onScrolled(away), [away, onScrolled])
  useEffect(() => {
    if (atEnd) onEnd()
  }, [atEnd, onEnd, rows.length])

  const index = rows.findIndex((row) => row.transaction_id === selected)
  const lastIndex = useRef(-1)
  useEffect(() => {
    if (index >= 0 || selected === null) lastIndex.current = index
  }, [index, selected])
  const select = (to: number) => {
    const at = Math.max(0, Math.min(to, rows.length - 1))
    const row = rows[at]
    const scroller = table.current
    if (row === undefined || scroller === null) return
    onSelect(row.transaction_id)
    const above = at * height
    const below = above + height + head - scroller.clientHeight
    if (scroller.scrollTop > above) scroller.scrollTo({ top: above })
    else if (scroller.scrollTop < below) scroller.scrollTo({ top: below })
  }
  // A row that was decided on may have left the list: what follows it has taken its place.
  const next = () => select(index < 0 ? Math.max(0, lastIndex.current) : index + 1)
  const previous = () => select((index < 0 ? lastIndex.current : index) - 1)
  const onTable = (event: KeyboardEvent) => event.target === table.current || event.target === document.body
  useKeys({
    j: next,
    k: previous,
    ArrowDown: (event) => (onTable(event) ? next() : false),
    ArrowUp: (event) => (onTable(event) ? previous() : false),
    g: () => select(0),
    G: () => select(rows.length - 1),
    Enter: (event) => (onTable(event) && selected !== null ? onOpen(selected) : false),
  })

  return (
    <div
      ref={table}
      role="grid"
      tabIndex={0}
      aria-label={label}
      aria-rowcount={complete ? rows.length + 1 : -1}
      aria-activedescendant={index >= first && index < last ? rowId(rows[index]!) : undefined}
      className={`${styles.table} ${styles[kind]}`}
      data-testid="rows"
    >
      <div role="rowgroup" className={styles.head}>
        <div role="row" className={styles.row} aria-rowindex={1}>
          {columns.map(({ name, title }) => (
            <span key={name} role="columnheader" className={styles[name]}>
              {title}
            </span>
          ))}
        </div>
      </div>
      <div role="rowgroup" className={styles.body} style={{ height: rows.length * height }}>
        {rows.slice(first, last).map((row, offset) => (
          <div
            key={row.transaction_id}
            id={rowId(row)}
            role="row"
            aria-rowindex={first + offset + 2}
            aria-selected={row.transaction_id === selected}
            className={styles.row}
            style={{ transform: `translateY(${(first + offset) * height}px)` }}
            onPointerDown={(event) => {
              // The row that is pressed must still be there when the button is let go: selecting holds the list.
              if (event.pointerType === 'mouse' && event.button === 0) onSelect(row.transaction_id)
            }}
            onClick={() => {
              onSelect(row.transaction_id)
              onOpen(row.transaction_id)
            }}
            data-testid="row"
            data-id={row.transaction_id}
            data-flagged={row.flagged}
            data-severity={headline(row)?.severity}
          >
            {columns.map(({ name, cell }) => (
              <span key={name} role="gridcell" className={styles[name]}>
                {cell(row, now, alerts?.(row.transaction_id) ?? 1)}
              </span>
            ))}
          </div>
        ))}
      </div>
    </div>
  )
}

function rowId(row: Row): string {
  return `row-${encodeURIComponent(row.transaction_id)}`
}
