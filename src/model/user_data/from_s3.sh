# fetch FILE: the agent, out of the state store.
fetch() {
  signed s3 "$STORE_REGION" -o "$1" "$AGENT_URL"
}
