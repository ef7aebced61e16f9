import type { ReactNode } from 'react'

/** What an empty list says: that the filter lets nothing through, or why there is nothing (`children`). */
export function NothingHere({
  filtered,
  onClear,
  children,
}: {
  filtered: boolean
  onClear: () => void
  children: ReactNode
}) {
  if (!filtered) return <p>{children}</p>
  return (
    <div>
      <p>Nothing that is stored matches. New ones that do will appear here.</p>
      <p style={{ marginTop: 12 }}>
        <button type="button" onClick={onClear}>
          Clear the filter
        </button>
      </p>
    </div>
  )
}
