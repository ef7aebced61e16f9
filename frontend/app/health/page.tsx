import type { Metadata } from 'next'
import { Health } from '@/components/health/Health'

export const metadata: Metadata = { title: 'Health' }

export default function Page() {
  return <Health />
}
