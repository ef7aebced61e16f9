import { roundMoney } from '@/lib/money'
import styles from './charts.module.css'

interface Properties {
  amounts: readonly number[]
  mean: number
  deviation: number
  currency: string
}

/** Recent amounts, oldest at the left, before the band of what is usual: the mean and one standard deviation around it. */
export function Amounts({ amounts, mean, deviation, currency }: Properties) {
  if (amounts.length === 0) return <p className="muted">No amounts yet.</p>
  const highest = Math.max(...amounts, mean + deviation)
  const y = (amount: number) => 100 - (Math.max(0, amount) / highest) * 100
  const step = 100 / amounts.length
  const money = (amount: number) => `${roundMoney(amount, currency)} ${currency}`
  return (
    <>
      <svg
        className={styles.amounts}
        viewBox="0 0 100 100"
        preserveAspectRatio="none"
        role="img"
        aria-label={`The last ${amounts.length} amounts, from ${money(Math.min(...amounts))} to ${money(Math.max(...amounts))}; usual are ${money(mean)}, give or take ${money(deviation)}`}
      >
        <rect
          className={styles.band}
          x="0"
          width="100"
          y={y(mean + deviation)}
          height={y(mean - deviation) - y(mean + deviation)}
        />
        <line className={styles.mean} x1="0" x2="100" y1={y(mean)} y2={y(mean)} vectorEffect="non-scaling-stroke" />
        {amounts.map((amount, index) => (
          <rect
            key={index}
            x={index * step + step * 0.15}
            width={step * 0.7}
            y={Math.min(y(amount), 99)}
            height={Math.max(1, 100 - y(amount))}
          >
            <title>{money(amount)}</title>
          </rect>
        ))}
      </svg>
      <p className={styles.scale}>
        <span>older</span>
        <span>highest {money(Math.max(...amounts))}</span>
        <span>newest</span>
      </p>
    </>
  )
}
