import styles from './charts.module.css'

/** The course of a figure, newest at the right, from zero to its highest. */
export function Spark({ values, label }: { values: readonly number[]; label: string }) {
  const highest = Math.max(...values, Number.MIN_VALUE)
  const step = 100 / Math.max(1, values.length - 1)
  const points = values.map(
    (value, index) => `${(index * step).toFixed(1)},${(20 - (value / highest) * 19).toFixed(1)}`,
  )
  return (
    <svg className={styles.spark} viewBox="0 0 100 20" preserveAspectRatio="none" role="img" aria-label={label}>
      {values.length > 1 && <polyline points={points.join(' ')} vectorEffect="non-scaling-stroke" />}
    </svg>
  )
}
