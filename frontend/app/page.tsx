export default function Page() {
  return <h1>anomaly-tui</h1>
}
