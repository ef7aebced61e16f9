'use client'

/** What is shown in the place of a page that failed. */
export default function Failed({ error, reset }: { error: Error; reset: () => void }) {
  return (
    <div role="alert" style={{ padding: 40, textAlign: 'center' }}>
      <h1>This page failed</h1>
      <p style={{ margin: '10px 0' }}>{error.message}</p>
      <button type="button" onClick={reset}>
        Show it again
      </button>
    </div>
  )
}
