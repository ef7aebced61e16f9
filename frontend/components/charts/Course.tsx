import { score } from '@/lib/numbers'
import { dayAndClock } from '@/lib/time'
import styles from './charts.module.css'

/** How a threshold in [0, 1] moved over time. */
export function Course({ points }: { points: readonly { at: string; threshold: number }[] }) {
  const first = points[0]
  const last = points.at(-1)
  if (first === undefined || last === undefined) return <p className="muted">It has not been set yet.</p>
  const values = points.map((point) => point.threshold)
  const low = Math.max(0, Math.min(...values) - 0.05)
  const high = Math.min(1, Math.max(...values) + 0.05)
  const begin = Date.parse(first.at)
  const length = Math.max(1, Date.parse(last.at) - begin)
  const place = ({ at, threshold }: { at: string; threshold: number }) =>
    `${(((Date.parse(at) - begin) / length) * 100).toFixed(2)},${(100 - ((threshold - low) / (high - low)) * 100).toFixed(2)}`
  return (
    <>
      <svg
        className={styles.course}
        viewBox="0 0 100 100"
        preserveAspectRatio="none"
        role="img"
        aria-label={`The threshold went from ${score(first.threshold)} to ${score(last.threshold)}, between ${score(Math.min(...values))} and ${score(Math.max(...values))}`}
      >
        <polyline
          points={points.length > 1 ? points.map(place).join(' ') : '0,50 100,50'}
          vectorEffect="non-scaling-stroke"
        />
      </svg>
      <p className={styles.scale}>
        <span>{dayAndClock(first.at)}</span>
        <span>
          {score(Math.min(...values))} – {score(Math.max(...values))}
        </span>
        <span>{dayAndClock(last.at)}</span>
      </p>
    </>
  )
}
