import { cookies } from 'next/headers'
import type { ReactNode } from 'react'

export default async function Layout({ children }: { children: ReactNode }) {
  const theme = (await cookies()).get('theme')?.value
  return (
    <html lang="en" data-theme={theme}>
      <body>{children}</body>
    </html>
  )
}
