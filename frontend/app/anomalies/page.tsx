import type { Metadata } from 'next'
import { Anomalies } from '@/components/feed/Anomalies'

export const metadata: Metadata = { title: 'Anomalies' }

export default function Page() {
  return <Anomalies />
}
