# fetch FILE: the agent, out of the state store, a directory that is mounted here.
fetch() {
  cp -- "$AGENT_PATH" "$1"
}
