import { percent } from '@/lib/numbers'
import { Bar } from './Bar'
import styles from './charts.module.css'

export interface ShareLine {
  name: string
  share: number
  remark?: string
}

/** Parts of a whole, each with a bar as long as its share of the largest. */
export function Shares({ lines, empty }: { lines: readonly ShareLine[]; empty: string }) {
  if (lines.length === 0) return <p className="muted">{empty}</p>
  const largest = Math.max(...lines.map((line) => line.share), Number.MIN_VALUE)
  return (
    <ul className={styles.shares}>
      {lines.map(({ name, share, remark }) => (
        <li key={name}>
          <bdi title={name}>{name}</bdi>
          <Bar share={share / largest} />
          <span>{percent(share)}</span>
          {remark !== undefined && <span className="muted">{remark}</span>}
        </li>
      ))}
    </ul>
  )
}
