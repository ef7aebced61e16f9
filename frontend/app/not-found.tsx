'use client'

import Link from 'next/link'
import { useLive } from '@/components/useLive'

export default function NotFound() {
  useLive()
  return (
    <div style={{ padding: 40, textAlign: 'center' }}>
      <h1>There is no such page</h1>
      <p style={{ marginTop: 10 }}>
        <Link href="/">Overview</Link>
      </p>
    </div>
  )
}
