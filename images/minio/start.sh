#!/bin/sh
# MinIO in place of the default S3: the server, then buckets, user and policy by its own client, at each start. Written for
# MinIO's own image (it has mc), and for one that is built from the two Go modules: images/minio/Dockerfile.
# Variables as images/s3/start.py has them; root's key is made and kept in the volume unless it is given.
set -eu
# a container that is started again keeps its /tmp
rm -f /tmp/habari-provisioned
data=/data
run=$(mktemp -d)
export MC_CONFIG_DIR="$run/mc" HOME="$run" MC_QUIET=1

for name in AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY; do
    eval "value=\${$name:-}"
    [ -n "$value" ] || {
        echo "s3: $name is empty. ${HOW_TO_FILL:-Set it in the environment of this container}" >&2
        exit 2
    }
done
random() { head -c 24 /dev/urandom | base64 | tr -d '+/=\n'; }
keep=$data/.habari-root
if [ -n "${S3_ADMIN_ACCESS_KEY_ID:-}" ]; then
    export MINIO_ROOT_USER="$S3_ADMIN_ACCESS_KEY_ID" MINIO_ROOT_PASSWORD="$S3_ADMIN_SECRET_ACCESS_KEY"
else
    [ -s "$keep" ] || (umask 077 && printf '%s\n%s\n' "root$(random)" "$(random)" >"$keep.new" && mv "$keep.new" "$keep")
    MINIO_ROOT_USER=$(sed -n 1p "$keep") MINIO_ROOT_PASSWORD=$(sed -n 2p "$keep")
    export MINIO_ROOT_USER MINIO_ROOT_PASSWORD
fi
export MINIO_REGION="${AWS_DEFAULT_REGION:-us-east-1}" MINIO_BROWSER=off MINIO_UPDATE=off MINIO_CALLHOME_ENABLE=off

env -u AWS_ACCESS_KEY_ID -u AWS_SECRET_ACCESS_KEY minio server --quiet --address :9000 "$data/objects" &
server=$!
trap 'kill -TERM $server; wait $server; exit 0' TERM INT

alive() { kill -0 "$server" 2>/dev/null || exit 1; }
# the address with root's key in it, so that the key is in no argv
export MC_HOST_local="http://$MINIO_ROOT_USER:$MINIO_ROOT_PASSWORD@127.0.0.1:9000"
until mc ready local >/dev/null 2>&1; do
    alive
    sleep 0.2
done
public=${S3_BUCKET_NAME_PUBLIC:-habari-public} lake=${S3_BUCKET_NAME_LAKE:-habari-lake}
notebooks=${S3_BUCKET_NAME_NOTEBOOKS:-habari-notebooks}
for bucket in "$public" "$lake" "$notebooks"; do
    mc mb --ignore-existing --region "$MINIO_REGION" "local/$bucket" >/dev/null
done
# Production's four statements, as devenv/s3/policy.py has them.
all() {
    printf '{"Sid": "%s", "Effect": "Allow", "Action": ["s3:*"], "Resource": ["arn:aws:s3:::%s", "arn:aws:s3:::%s/*"]}' "$@"
}
cat >"$run/policy.json" <<POLICY
{"Version": "2012-10-17", "Statement": [
  {"Sid": "S3HabariPublicBucketNameRead", "Effect": "Allow", "Action": ["s3:GetObject", "s3:ListBucket"],
   "Resource": ["arn:aws:s3:::$public", "arn:aws:s3:::$public/*"]},
  {"Sid": "S3HabariPublicBucketNameWriteKeepFile", "Effect": "Allow", "Action": ["s3:*"],
   "Resource": ["arn:aws:s3:::$public/.s3keep"]},
  $(all S3HabariLakeBucketName "$lake" "$lake"),
  $(all S3HabariNotebookBucketName "$notebooks" "$notebooks")]}
POLICY
mc admin policy create local habari-project "$run/policy.json" >/dev/null
# by standard input: an argv is everybody's to read
printf '%s\n%s\n' "$AWS_ACCESS_KEY_ID" "$AWS_SECRET_ACCESS_KEY" | mc admin user add local >/dev/null
# it fails when it is attached already, so what counts is what the user has
mc admin policy attach local habari-project --user "$AWS_ACCESS_KEY_ID" >/dev/null 2>&1 || true
mc admin user info local "$AWS_ACCESS_KEY_ID" --json | grep -q habari-project || {
    echo "s3: the policy could not be attached to $AWS_ACCESS_KEY_ID" >&2
    exit 4
}
touch /tmp/habari-provisioned
echo 's3: ready' >&2
wait "$server"
