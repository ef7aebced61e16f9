'use client'

import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import Link from 'next/link'
import { usePathname, useRouter } from 'next/navigation'
import { NuqsAdapter } from 'nuqs/adapters/next/app'
import { type ReactNode, useState } from 'react'
import { ApiError } from '@/lib/api'
import { useKeys } from '@/lib/keys'
import { useHeard } from '@/lib/live/status'
import { count } from '@/lib/numbers'
import { Help } from './Help'
import { LiveMarker } from './LiveMarker'
import styles from './Shell.module.css'
import { TailProvider } from './tail'
import { type Theme, ThemeToggle } from './ThemeToggle'

const PAGES = [
  ['/', 'Overview'],
  ['/transactions', 'Transactions'],
  ['/anomalies', 'Anomalies'],
  ['/users', 'Users'],
  ['/health', 'Health'],
] as const

/** What stands around every page: where one is, where one can go, and whether it is live. */
export function Shell({ theme, children }: { theme: Theme; children: ReactNode }) {
  const [queries] = useState(
    () =>
      new QueryClient({
        defaultOptions: {
          queries: { retry: (failures, error) => failures < 1 && error instanceof ApiError && error.passing },
        },
      }),
  )
  return (
    <QueryClientProvider client={queries}>
      <NuqsAdapter>
        <TailProvider>
          <Frame theme={theme}>{children}</Frame>
        </TailProvider>
      </NuqsAdapter>
    </QueryClientProvider>
  )
}

function Frame({ theme, children }: { theme: Theme; children: ReactNode }) {
  const router = useRouter()
  const [help, setHelp] = useState(false)
  useKeys({
    '?': () => setHelp(true),
    ...Object.fromEntries(PAGES.map(([path], index) => [String(index + 1), () => router.push(path)])),
  })
  return (
    <div className={styles.frame}>
      <a href="#main" className={styles.skip}>
        Skip to the page
      </a>
      <header className={styles.header}>
        <Link href="/" className={styles.brand}>
          anomaly-tui
        </Link>
        <Navigation />
        <LiveMarker />
        <div className={styles.tools}>
          <button
            type="button"
            onClick={() => setHelp(true)}
            aria-label="Keys and filters"
            title="Keys and filters (?)"
          >
            ?
          </button>
          <ThemeToggle initial={theme} />
        </div>
      </header>
      <main id="main" className={styles.main}>
        {children}
      </main>
      <Help open={help} onClose={() => setHelp(false)} />
    </div>
  )
}

function Navigation() {
  const path = usePathname()
  const { status } = useHeard()
  const open = status?.open_anomalies ?? 0
  return (
    <nav className={styles.nav} aria-label="Pages">
      <ul>
        {PAGES.map(([href, name]) => {
          const here = href === '/' ? path === '/' : path.startsWith(href)
          return (
            <li key={href}>
              <Link href={href} aria-current={here ? 'page' : undefined}>
                {name}
                {href === '/anomalies' && open > 0 && (
                  <span className={styles.badge} data-testid="open-anomalies">
                    {count(open)}
                    <span className="visually-hidden"> open</span>
                  </span>
                )}
              </Link>
            </li>
          )
        })}
      </ul>
    </nav>
  )
}
