import styles from './charts.module.css'

interface Properties {
  values: readonly number[]
  names: readonly string[]
  label: string
  /** What a column says when pointed at. */
  tell: (value: number, name: string) => string
  /** Of how many names one is written. */
  every?: number
}

/** Weights side by side, as high as their share of the highest. */
export function Columns({ values, names, label, tell, every = 1 }: Properties) {
  const highest = Math.max(...values, Number.MIN_VALUE)
  return (
    <div className={styles.columns} role="img" aria-label={label}>
      {values.map((value, index) => (
        <div key={index} title={tell(value, names[index] ?? '')}>
          <span style={{ height: `${(value / highest) * 100}%` }} />
          <small>{index % every === 0 ? names[index] : ''}</small>
        </div>
      ))}
    </div>
  )
}
