'use client'

import { type ReactNode, useEffect } from 'react'
import { useTail } from '@/components/shell/tail'
import { withParameters } from '@/lib/api'
import type { Within } from '@/lib/filters'
import { brief } from '@/lib/numbers'
import { FilterBox } from './FilterBox'
import styles from './Toolbar.module.css'

interface Properties {
  q: string
  /** What the filter is for. */
  list: Within
  onFilter: (q: string) => void
  /** What the export covers: the filter of everything the page shows. */
  exported: { q: string; of: 'transactions' | 'anomalies' }
  children?: ReactNode
}

/** The filter, what else narrows the list (`children`), what is new, pause, and export. */
export function Toolbar({ q, list, onFilter, exported, children }: Properties) {
  const { paused, setPaused, standing } = useTail()
  useEffect(() => () => setPaused(false), [setPaused])
  return (
    <div className={styles.bar}>
      <FilterBox value={q} list={list} onApply={onFilter} />
      {children}
      <div className={styles.group}>
        {/* Here and not over the rows, which are being read; the place is kept, so that nothing moves either. */}
        <span className={styles.fresh}>
          {standing !== null && standing.fresh > 0 && (
            <button type="button" data-primary onClick={standing.follow} data-testid="new-rows">
              {brief(standing.fresh)} new
            </button>
          )}
        </span>
        <button
          type="button"
          onClick={() => (standing?.held ? standing.follow() : setPaused(!paused))}
          aria-keyshortcuts="Space"
          data-testid="pause"
        >
          {paused || standing?.held ? 'Resume' : 'Pause'}
        </button>
        <span className={`muted ${styles.export}`}>Export</span>
        {(['csv', 'jsonl'] as const).map((format) => (
          <a
            key={format}
            className="button"
            href={withParameters('/api/export', { ...exported, format })}
            download
            data-testid={`export-${format}`}
          >
            <span className="visually-hidden">Export as </span>
            {format.toUpperCase()}
          </a>
        ))}
      </div>
    </div>
  )
}

/** One choice of several, with its label; `instead` says what makes the choice where this does not. */
export function Choice<T extends string>({
  label,
  value,
  options,
  onChoose,
  instead,
}: {
  label: string
  value: T
  instead?: string
  options: readonly (readonly [T, string])[]
  onChoose: (value: T) => void
}) {
  return (
    <label className={styles.choice}>
      <span>{label}</span>
      <select
        value={instead === undefined ? value : ''}
        disabled={instead !== undefined}
        onChange={(event) => onChoose(event.target.value as T)}
        data-testid={label.toLowerCase()}
      >
        {instead !== undefined && <option value="">{instead}</option>}
        {options.map(([option, name]) => (
          <option key={option} value={option}>
            {name}
          </option>
        ))}
      </select>
    </label>
  )
}
