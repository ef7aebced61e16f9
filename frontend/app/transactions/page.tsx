import type { Metadata } from 'next'
import { Transactions } from '@/components/feed/Transactions'

export const metadata: Metadata = { title: 'Transactions' }

export default function Page() {
  return <Transactions />
}
