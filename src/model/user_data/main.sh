right() {
  sha256sum --check --status <<<"$AGENT_SHA256  $1"
}

install_agent() {
  [[ -f $AGENT ]] && right "$AGENT" && return 0
  fetch "$AGENT.new" || return 1
  right "$AGENT.new" || { say "the agent's sha256 is not $AGENT_SHA256"; return 1; }
  chmod 0755 "$AGENT.new" && mv -f "$AGENT.new" "$AGENT"
}

say "booting as $ROLE of $CLUSTER, group $GROUP"
pause=2
until install_agent; do
  say "can't get the agent, next try in $pause s"
  sleep "$pause"
  pause=$((pause < 20 ? pause + 1 : 20))
done
say 'agent installed'
exec "$AGENT" node install --config /etc/kspot/boot.yaml
