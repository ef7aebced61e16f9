import type { ReactNode } from 'react'
import styles from './NothingHere.module.css'

/** What an empty list says: that the filter lets nothing through, or why there is nothing (`children`). */
export function NothingHere({
  filtered,
  among,
  onWiden,
  onClear,
  children,
}: {
  filtered: boolean
  /** The status that it was looked for among, where it was one. */
  among?: string
  onWiden?: () => void
  onClear: () => void
  children: ReactNode
}) {
  if (!filtered) return <p>{children}</p>
  return (
    <div>
      <p>
        {among === undefined ? 'Nothing that is stored matches.' : `Nothing that is ${among} matches.`} New ones that do
        will appear here.
      </p>
      <p className={styles.ways}>
        {among !== undefined && (
          <button type="button" onClick={onWiden}>
            Look among all
          </button>
        )}
        <button type="button" onClick={onClear}>
          Clear the filter
        </button>
      </p>
    </div>
  )
}
