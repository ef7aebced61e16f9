import { chromium } from '@playwright/test'
const base = process.env.BASE ?? 'http://localhost:13791'
const [,, tag, ...paths] = process.argv
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: ['--no-sandbox','--disable-gpu','--disable-dev-shm-usage'] })
const sizes = (process.env.SIZES ?? 'd,p').split(',')
const schemes = (process.env.SCHEMES ?? 'dark').split(',')
for (const size of sizes) for (const colorScheme of schemes) {
  const page = await browser.newPage({ viewport: size==='d'?{width:1440,height:900}:{width:390,height:844}, colorScheme, locale: 'en-GB' })
  for (const p of paths) {
    const [path, keys] = p.split('::')
    await page.goto(base + path)
    await page.waitForTimeout(2500)
    for (const k of (keys ?? '').split(' ').filter(Boolean)) { if (k.startsWith('@')) await page.click(k.slice(1)); else if (k.startsWith('~')) await page.waitForTimeout(+k.slice(1)); else await page.keyboard.press(k); await page.waitForTimeout(250) }
    const name = `/tmp/wt/web-shots/${tag}-${size}-${colorScheme}-${path.replace(/[^a-z]+/gi,'_')}${keys?'-k':''}.png`
    await page.screenshot({ path: name }); console.log(name)
  }
  await page.close()
}
await browser.close()
