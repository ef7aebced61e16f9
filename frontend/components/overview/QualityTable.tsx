import table from '@/components/common/Table.module.css'
import { figuresOf, type Quality } from '@/lib/engine'
import { count, percent } from '@/lib/numbers'
import styles from './Overview.module.css'

const share = (value: number | null): string => (value === null ? '–' : percent(value))

/** What the detectors got right, where the producer sends the truth: overall, and by kind of anomaly. */
export function QualityTable({ quality }: { quality: readonly Quality[] }) {
  if (quality.length === 0) {
    return <p className={styles.none}>Nothing that was scored had ground truth, or the detectors are warming up.</p>
  }
  const kinds = [...new Set(quality.flatMap((detector) => detector.kinds.map(({ kind }) => kind)))]
  const lows = [...new Set(quality.flatMap((detector) => detector.bands.map(({ low }) => low)))].sort((a, b) => b - a)
  const rows: [string, (detector: Quality) => string][] = [
    ['Precision', (detector) => share(figuresOf(detector).precision)],
    ['Precision, estimated', (detector) => share(detector.estimated)],
    ['Recall', (detector) => share(figuresOf(detector).recall)],
    ['F1', (detector) => share(figuresOf(detector).f1)],
    ['Flagged', (detector) => share(figuresOf(detector).alertRate)],
    ['Anomalies', (detector) => `${count(detector.caught)} of ${count(detector.anomalous)}`],
    ...kinds.map((kind): [string, (detector: Quality) => string] => [
      kind.replaceAll('_', ' '),
      (detector) => {
        const found = detector.kinds.find((candidate) => candidate.kind === kind)
        return found ? `${count(found.caught)} of ${count(found.anomalous)}` : '–'
      },
    ]),
    ...lows.map((low): [string, (detector: Quality) => string] => [
      `Anomalous at ${low.toFixed(1)}–${(low + 0.1).toFixed(1)}`,
      (detector) => {
        const found = detector.bands.find((candidate) => candidate.low === low)
        return found ? `${percent(found.anomalous / found.verdicts)} of ${count(found.verdicts)}` : '–'
      },
    ]),
  ]
  return (
    <table className={`${table.table} ${styles.quality}`} data-testid="quality">
      <thead>
        <tr>
          <td />
          {quality.map(({ detector }) => (
            <th key={detector} scope="col" className="number">
              {detector}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map(([name, figure]) => (
          <tr key={name}>
            <th scope="row">
              <bdi>{name}</bdi>
            </th>
            {quality.map((detector) => (
              <td key={detector.detector} className="number">
                {figure(detector)}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  )
}
