import Link from 'next/link'

export default function NotFound() {
  return (
    <div style={{ padding: 40, textAlign: 'center' }}>
      <h1>There is no such page</h1>
      <p style={{ marginTop: 10 }}>
        <Link href="/">Overview</Link>
      </p>
    </div>
  )
}
