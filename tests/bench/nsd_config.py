"""How nsd serves a folder's file `zone` as the root zone."""
import os


def write_config(folder, port=53530):
    """Writes nsd.conf into the folder.  The port is that of nsd started by hand; the harness takes a free one."""
    here = os.path.abspath(folder)
    with open(here + "/nsd.conf", "w") as f:
        f.write("""server:
  ip-address: 127.0.0.1@%d
  username: ""
  chroot: ""
  zonesdir: "%s"
  database: ""
  pidfile: "%s/nsd.pid"
  logfile: "%s/nsd.log"
  xfrdfile: "%s/xfrd.state"
  zonelistfile: "%s/zone.list"
  cookie-secret-file: ""
  server-count: 1
  rrl-ratelimit: 0
  rrl-whitelist-ratelimit: 0
remote-control:
  control-enable: no
zone:
  name: "."
  zonefile: "zone"
""" % ((port,) + (here,) * 5))
