# cloud-init shows this on the console, where it can be read without a way into the machine.
say() {
  printf 'kspot: %s\n' "$*" >&2
}

# imds PATH: a fact about this machine, from the metadata service (version 2 only).
imds() {
  local token
  token=$(curl -fsS --retry 5 --retry-connrefused --max-time 10 -X PUT \
    -H 'X-aws-ec2-metadata-token-ttl-seconds: 300' http://169.254.169.254/latest/api/token) || return 1
  curl -fsS --retry 5 --max-time 10 -H "X-aws-ec2-metadata-token: $token" "http://169.254.169.254/latest/meta-data/$1"
}

# signed SERVICE REGION CURL-ARGUMENT...: a request in the name of this machine's role. The credentials go to curl
# through its standard input, so that no list of processes shows them.
signed() {
  local service=$1 region=$2 role document
  shift 2
  role=$(imds iam/security-credentials/) || return 1
  document=$(imds "iam/security-credentials/$role") || return 1
  field() { sed -n 's/.*"'"$1"'" *: *"\([^"]*\)".*/\1/p' <<<"$document"; }
  printf 'user = "%s:%s"\nheader = "x-amz-security-token: %s"\n' \
    "$(field AccessKeyId)" "$(field SecretAccessKey)" "$(field Token)" |
    curl --config - --aws-sigv4 "aws:amz:$region:$service" -fsS --connect-timeout 10 --max-time 300 "$@"
}
