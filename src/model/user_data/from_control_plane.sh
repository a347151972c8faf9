# addresses: of the control plane's machines that run, in random order, so that no one of them serves all.
addresses() {
  signed ec2 "$REGION" "$EC2_URL" --data-urlencode 'Action=DescribeInstances' --data-urlencode 'Version=2016-11-15' \
    --data-urlencode 'Filter.1.Name=tag:KubernetesCluster' --data-urlencode "Filter.1.Value.1=$CLUSTER" \
    --data-urlencode 'Filter.2.Name=tag:k8s.io/role/control-plane' --data-urlencode 'Filter.2.Value.1=1' \
    --data-urlencode 'Filter.3.Name=instance-state-name' --data-urlencode 'Filter.3.Value.1=running' |
    grep -o '<privateIpAddress>[0-9.]*' | cut -d '>' -f 2 | sort -u | shuf | paste -sd ,
}

# fetch FILE: the agent, from the control plane, which shows a certificate of the cluster's own authority.
fetch() {
  local found
  if ! found=$(addresses) || [[ -z $found ]]; then
    say 'found no running machine of the control plane'
    return 1
  fi
  # The controller may be about to start: asking it again costs nobody anything, asking EC2 does.
  curl -fsS --connect-timeout 10 --max-time 300 --retry 15 --retry-delay 1 --retry-connrefused --retry-max-time 30 \
    --cacert /etc/kspot/ca.crt --resolve "$CONTROLLER:$CONTROLLER_PORT:$found" -o "$1" "https://$CONTROLLER:$CONTROLLER_PORT/$AGENT_PATH"
}
