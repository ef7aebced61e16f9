import type { Metadata, Viewport } from 'next'
import { cookies } from 'next/headers'
import type { ReactNode } from 'react'
import { Shell } from '@/components/shell/Shell'
import './globals.css'

export const metadata: Metadata = {
  title: { default: 'anomaly-tui', template: '%s · anomaly-tui' },
  description: 'Real-time transaction anomaly detection',
}

export const viewport: Viewport = { colorScheme: 'light dark' }

export default async function Layout({ children }: { children: ReactNode }) {
  const chosen = (await cookies()).get('theme')?.value
  const theme = chosen === 'light' || chosen === 'dark' ? chosen : 'system'
  return (
    <html lang="en" data-theme={theme === 'system' ? undefined : theme}>
      <body>
        <Shell theme={theme}>{children}</Shell>
      </body>
    </html>
  )
}
