import type { ReactNode } from 'react'
import styles from './Panel.module.css'

interface Properties {
  title: string
  /** What stands at the right of the title. */
  aside?: ReactNode
  children: ReactNode
  flush?: boolean
}

/** A titled part of a page; `flush` content reaches its edges. */
export function Panel({ title, aside, children, flush = false }: Properties) {
  return (
    <section className={styles.panel}>
      <header className={styles.header}>
        <h2>{title}</h2>
        {aside && <div className={styles.aside}>{aside}</div>}
      </header>
      {flush ? (
        // It may be wider than a phone: a user without a pointer must be able to scroll it.
        <div className={styles.flush} tabIndex={0} role="region" aria-label={title}>
          {children}
        </div>
      ) : (
        <div className={styles.content}>{children}</div>
      )}
    </section>
  )
}

interface FigureProperties {
  name: string
  value: ReactNode
  remark?: ReactNode
  tone?: 'bad' | 'good'
  [hook: `data-${string}`]: string
}

/** A figure with its name, and a smaller remark below it. */
export function Figure({ name, value, remark, tone, ...hooks }: FigureProperties) {
  return (
    <div className={styles.figure} data-tone={tone} {...hooks}>
      <dt>{name}</dt>
      <dd>
        <span className={styles.value}>{value}</span>
        {remark && <span className={styles.remark}>{remark}</span>}
      </dd>
    </div>
  )
}

/** Figures side by side. */
export function Figures({ children }: { children: ReactNode }) {
  return <dl className={styles.figures}>{children}</dl>
}
