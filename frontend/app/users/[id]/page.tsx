import type { Metadata } from 'next'
import { UserProfile } from '@/components/users/UserProfile'

interface Properties {
  params: Promise<{ id: string }>
}

export async function generateMetadata({ params }: Properties): Promise<Metadata> {
  return { title: decodeURIComponent((await params).id) }
}

export default async function Page({ params }: Properties) {
  return <UserProfile id={decodeURIComponent((await params).id)} />
}
