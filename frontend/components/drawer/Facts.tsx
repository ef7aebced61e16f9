'use client'

import { type ReactNode, useState } from 'react'
import { useKeys } from '@/lib/keys'
import type { Row } from '@/lib/schemas'
import { full } from '@/lib/time'
import styles from './Drawer.module.css'

/** Everything that is known of a transaction besides its verdicts; what the source did not tell is left out. */
export function Facts({ row }: { row: Row }) {
  // Triage cannot be practised with the answer beside the question.
  const [truthShown, setTruthShown] = useState(false)
  const toggleTruth = () => setTruthShown(!truthShown)
  useKeys({ T: toggleTruth })
  const { location, merchant, device } = row
  const facts: [string, ReactNode][] = [
    ['Time', full(row.timestamp)],
    ['Stored', full(row.stored_at)],
    ['Merchant', merchant.name],
    ['Category', merchant.category?.replaceAll('_', ' ')],
    ['Merchant id', merchant.id],
    ['Place', [location.city, location.country].filter(Boolean).join(', ')],
    [
      'Coordinates',
      location.latitude !== null && location.longitude !== null ? `${location.latitude}, ${location.longitude}` : null,
    ],
    ['Type', row.transaction_type?.replaceAll('_', ' ')],
    ['Paid by', row.payment_method?.replaceAll('_', ' ')],
    ['Device', [device.type, device.id].filter(Boolean).join(' ')],
    ['Address', device.ip],
    ['Transaction', row.transaction_id],
    [
      'Ground truth',
      truthShown && row.truth && (row.truth.anomalous ? `anomalous (${row.truth.kind ?? 'kind unknown'})` : 'ordinary'),
    ],
    ...Object.entries(row.extra ?? {}).map(([name, value]): [string, ReactNode] => [
      name,
      typeof value === 'string' ? value : JSON.stringify(value),
    ]),
  ]
  return (
    <>
      <dl className={styles.facts}>
        {facts
          .filter(([, value]) => value)
          .map(([name, value]) => (
            <div key={name}>
              <dt>
                <bdi>{name}</bdi>
              </dt>
              <dd>
                <bdi>{value}</bdi>
              </dd>
            </div>
          ))}
      </dl>
      {row.truth && (
        <button
          type="button"
          onClick={toggleTruth}
          aria-pressed={truthShown}
          aria-keyshortcuts="Shift+T"
          data-testid="truth"
        >
          {truthShown ? 'Hide ground truth' : 'Show ground truth'}
        </button>
      )}
    </>
  )
}
