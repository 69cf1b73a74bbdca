#!/bin/sh
# Final stage: a user, the folders it needs, and less than the base image brings.
#
# ROOT stands for / where a test runs this.
set -eu
root="${ROOT:-}"
user=65532

# What installs and what lends rights. The list of the system's packages stays, for whoever looks for holes in them.
rm -rf "$root"/usr/local/lib/python3*/site-packages/* "$root"/usr/local/lib/python3*/ensurepip \
  "$root"/usr/local/bin/pip* "$root"/usr/local/bin/idle* "$root"/usr/local/bin/pydoc* \
  "$root"/usr/bin/apt* "$root"/usr/bin/dpkg* "$root"/usr/lib/apt "$root"/var/lib/apt/lists "$root"/var/cache/apt
for folder in usr/bin usr/sbin usr/lib usr/libexec; do
  if [ -d "$root/$folder" ]; then
    find "$root/$folder" -xdev -type f -perm /6000 -exec chmod ug-s {} +
  fi
done

echo "splitgate:x:$user:$user:splitgate:/var/lib/splitgate:/usr/sbin/nologin" >> "$root/etc/passwd"
echo "splitgate:x:$user:" >> "$root/etc/group"
mkdir -p "$root/etc/splitgate" "$root/var/lib/splitgate"
chmod 0755 "$root/etc/splitgate"
chmod 0700 "$root/var/lib/splitgate"
# Only root can give folders away; a test that is not root runs as the user that made them.
if [ "$(id -u)" = 0 ]; then
  chown "$user:$user" "$root/var/lib/splitgate"
fi
chmod -R u=rX,go=rX "$root/opt/splitgate"
