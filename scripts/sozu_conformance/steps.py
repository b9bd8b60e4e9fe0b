"""What is asked of sozutw, command by command, in the order in which it is asked."""

from step import PANIC, USAGE, File, Get, Listens, Look, Shows, Step, order, refused

NO_TCP = "is not served yet: this version has http and https listeners only"
NO_UDP = "is not served yet: this version takes no datagrams"
UPGRADED = "Success: Upgrade successful, closing main process. New main process has pid "
UNKNOWN = "is not known here"
LATER = (2, 3)

TIMEOUT_PANIC = "its --timeout is read as two kinds of number; the program panics"
SAVED_CURSOR = "it writes a sequence for terminals before the JSON"

NEW: Look = Get("new.example", 200, "blog-2 /")
GONE: Look = Get("new.example", 404)

QUESTIONS = (
    Step("config check", ("Configuration file is valid",), is_json=False),
    Step("status", ("Successfully collected the status of workers", "RUNNING"), ("WORKERS",)),
    Step(
        "cluster list",
        ("Successfully queried clusters", "shop", "blog", "main"),
        ("CLUSTER_HASHES", "shop", "main"),
    ),
    Step(
        "cluster list --id shop",
        ("Successfully queried clusters", "shop.example", "shop-1", "{shop-1}", "main"),
        ("CLUSTERS", "shop.example", "shop-1", "main"),
    ),
    Step("cluster list --id nobody", ("no cluster found",), ("CLUSTERS",)),
    Step("cluster list --domain blog.example", ("blog.example", "blog-1"), ("CLUSTERS", "blog-1")),
    Step(
        "frontend list",
        ("Successfully listed frontends", "shop.example", "{https}", "/posts", "owner=shop"),
        ("FRONTEND_LIST", "shop.example", "/posts", "owner"),
    ),
    Step("frontend list --http", ("{http}", "shop.example"), ("http_frontends", "shop.example")),
    Step("frontend list --https", ("{https}", "shop.example"), ("https_frontends",)),
    Step("frontend list --tcp", ("Successfully listed frontends",), ("tcp_frontends",)),
    Step("frontend list --domain blog", ("blog.example",), ("blog.example",)),
    Step(
        "listener list",
        ("Successfully listed listeners", "HTTP LISTENERS", "HTTPS LISTENERS", "SOZUBALANCEID"),
        ("LISTENERS_LIST", "{http}", "{https}"),
    ),
    Step(
        "certificate list",
        ("{shop_print}", "shop.example"),
        ("CERTIFICATES_WITH_FINGERPRINTS", "{shop_print}"),
    ),
    Step("certificate list --workers", ("{shop_print}", "Worker 0"), ("{shop_print}",)),
    Step("certificate list --domain shop.example", ("{shop_print}",), ("{shop_print}",)),
    Step(
        "certificate list --domain nobody.example",
        ("No certificates match your request",),
        ("CERTIFICATES_WITH_FINGERPRINTS",),
    ),
    Step("certificate list --fingerprint {shop_print}", ("{shop_print}",), ("{shop_print}",)),
    Step("state stats", ("Successfully counted requests",), ("REQUEST_COUNTS",)),
)

METRICS = (
    order("metrics clear", Get("shop.example", 200, "shop-1 /")),
    Step(
        "metrics get",
        ("Successfully aggregated all metrics", "configuration.clusters", "http.requests"),
        ("METRICS", "configuration.clusters", "http.requests"),
        fault=SAVED_CURSOR,
    ),
    Step(
        "metrics get --list",
        ("Successfully listed available metrics", "http.requests"),
        ("AVAILABLE_METRICS", "http.requests"),
        fault=SAVED_CURSOR,
    ),
    Step("metrics get --names bytes_in", ("bytes_in",), ("bytes_in",), fault=SAVED_CURSOR),
    Step("metrics get --clusters shop", ("shop",), ('"shop"',), fault=SAVED_CURSOR),
    Step(
        "metrics get --backends shop-1",
        ("the detail is cluster; detail in [metrics] of the configuration raises it",),
        ("METRICS",),
        fault=SAVED_CURSOR,
    ),
    Step("metrics get --no-clusters", ("http.requests",), ("http.requests",), fault=SAVED_CURSOR),
    Step("metrics get --workers", ("http.requests",), ("workers",), fault=SAVED_CURSOR),
    Step(
        "metrics get --refresh 1 --names http.requests",
        ("http.requests",),
        ("http.requests",),
        while_it_runs=("status",),
        fault=SAVED_CURSOR,
    ),
    order("metrics disable"),
    order("metrics enable"),
)

CLUSTERS = (
    order("cluster add --id new --load-balancing-policy round_robin"),
    Step(
        "cluster add --id new --load-balancing-policy roundrobin",
        ("Cannot find the load balancing policy",),
        status=USAGE,
        fault="its help names roundrobin, and it takes round_robin",
        before=LATER,
    ),
    order("cluster add --id new --load-balancing-policy random --sticky-session --https-redirect"),
    order("cluster add --id new --load-balancing-policy least_loaded --sticky-session"),
    order("cluster add --id new --load-balancing-policy power_of_two --https-redirect-port 8443"),
    order(
        "cluster add --id new --load-balancing-policy round_robin --sticky-session"
        " --answer '503=HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy'"
    ),
    refused(
        "cluster add --id bad --load-balancing-policy round_robin --http2",
        "http2 is not served yet",
    ),
    order(
        "cluster add --id odd --load-balancing-policy round_robin --send-proxy",
        says="proxy_protocol has no effect on a cluster that http frontends lead to",
    ),
    order("cluster remove --id odd"),
    refused(
        "cluster add --id bad --load-balancing-policy round_robin"
        " --authorized-hash me:5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8",
        "is not served yet",
    ),
    refused("cluster h2 enable --id shop", "http2 is not served yet"),
    order("cluster h2 disable --id shop", Get("shop.example", 200, "shop-1")),
    Step("cluster list --id bad", ("no cluster found",), ("CLUSTERS",)),
)

FRONTENDS = (
    order(
        "frontend http add --address {http} --hostname new.example id new",
        Get("new.example", 503, "busy"),
    ),
    order("backend add --id new --backend-id new-1 --address {blog-2}", NEW),
    refused(
        "frontend http add --address {http} --hostname new.example id new",
        "already leads to cluster 'new'",
        NEW,
    ),
    order(
        "backend add --id new --backend-id new-1 --address {blog-2} --sticky-id stuck"
        " --backup true",
        Get("new.example", 200, "SOZUBALANCEID=stuck"),
    ),
    order(
        "frontend http add --address {http} --hostname new.example --path-prefix /app id new",
        Get("new.example", 200, "blog-2 /app/x", path="/app/x"),
    ),
    order(
        "frontend http add --address {http} --hostname new.example --path-equals /exactly deny",
        Get("new.example", 401, path="/exactly"),
        Get("new.example", 200, path="/exactly/not"),
    ),
    order(
        "frontend http add --address {http} --hostname new.example --path-regex '/n[0-9]+' deny",
        Get("new.example", 401, path="/n7"),
    ),
    order(
        "frontend http add --address {http} --hostname new.example --path-prefix /put"
        " --method PUT --tags 'owner=me' deny",
        Get("new.example", 200, path="/put"),
    ),
    order(
        "frontend http add --address {http} --hostname new.example --path-prefix /moved"
        " --redirect permanent --redirect-scheme use-https id new",
        Get("new.example", 301, "ocation: https://new.example", path="/moved"),
    ),
    refused(
        "frontend http add --address {http} --hostname new.example --path-prefix /auth"
        " --required-auth id new",
        "is not served yet",
    ),
    refused(
        "frontend http add --address {http} --hostname new.example --path-prefix /rewritten"
        " --rewrite-path /other id new",
        "is not served yet",
    ),
    refused(
        "frontend http add --address {http} --hostname new.example --path-prefix /headers"
        " --header request=X-A=b id new",
        "is not served yet",
    ),
    refused("frontend http add --address {spare} --hostname new.example id new", "no listener"),
    Step(
        "cluster list --domain new.example",
        ("new.example", "new-1"),
        ("new.example", "new-1", "stuck"),
    ),
    Step("frontend list --domain new.example", ("/exactly", "owner=me"), ("/exactly", "owner")),
    *(
        order(f"frontend http remove --address {{http}} --hostname new.example {which}")
        for which in (
            "--path-prefix /app id new",
            "--path-equals /exactly deny",
            "--path-regex '/n[0-9]+' deny",
            "--path-prefix /put --method PUT deny",
            "--path-prefix /moved id new",
        )
    ),
    order(
        "backend remove --id new --backend-id new-1 --address {blog-2}",
        Get("new.example", 503, "busy"),
    ),
    refused("backend remove --id new --backend-id new-1 --address {blog-2}", "has no backend"),
    order("frontend http remove --address {http} --hostname new.example id new", GONE),
    refused(
        "frontend http remove --address {http} --hostname new.example id new",
        "there is no frontend",
    ),
    order("cluster remove --id new", GONE),
    refused("cluster remove --id new", "there is no cluster 'new'"),
    order(
        "frontend https add --address {https} --hostname other.example --hsts-max-age 60 id shop",
        Get("other.example", 200, "shop-1", listener="https"),
        Get("other.example", 200, "max-age=60", listener="https"),
    ),
    order(
        "frontend https remove --address {https} --hostname other.example id shop",
        Get("other.example", 404, listener="https"),
    ),
    refused("frontend tcp add --id shop --address {unserved}", f"AddTcpFrontend {NO_TCP}"),
    refused("frontend tcp remove --id shop --address {unserved}", f"RemoveTcpFrontend {NO_TCP}"),
    refused("frontend udp add --id shop --address {unserved}", f"AddUdpFrontend {NO_UDP}"),
    refused("frontend udp remove --id shop --address {unserved}", f"RemoveUdpFrontend {NO_UDP}"),
)

LISTENERS = (
    order("listener http add -a {spare}", Listens("spare", does=False)),
    refused("listener http add -a {spare}", "there is already a listener"),
    order("listener http activate --address {spare}", Listens("spare")),
    order(
        "listener http update --address {spare} --front-timeout 5 --sozu-id-header X-Sozu"
        " --answer-404 {folder}/404.http",
        Get("nobody.example", 404, "not to be", listener="spare"),
    ),
    order(
        "listener http update --address {spare} --h2-max-ping-per-window 9",
        says="h2_max_ping_per_window has no effect",
    ),
    refused("listener http update --address {spare} --expect-proxy", "is not served yet"),
    refused("listener http update --address {unserved} --front-timeout 5", "there is no listener"),
    Step("listener list", ("X-Sozu",), ("{spare}", "X-Sozu")),
    order("listener http deactivate --address {spare}", Listens("spare", does=False)),
    order("listener http remove --address {spare}"),
    refused("listener http remove --address {spare}", "there is no listener"),
    order(
        "listener http add -a {spare} --sticky-name STUCK --front-timeout 6 --back-timeout 7"
        " --request-timeout 8 --connect-timeout 9 --answer-404 {folder}/404.http"
        " --public-address 192.0.2.1:80"
    ),
    order("listener http activate --address {spare}", Listens("spare")),
    order("listener http remove --address {spare}", Listens("spare", does=False)),
    refused("listener http add -a {spare} --expect-proxy", "is not served yet"),
    order("listener https add -a {spare_tls} --tls-versions TLS_V12", says="alpn_protocols has h2"),
    order("listener https activate --address {spare_tls}", Listens("spare_tls")),
    order(
        "listener https update --address {spare_tls} --alpn-protocols http/1.1"
        " --strict-sni-binding --hsts-max-age 60 --hsts-include-subdomains"
    ),
    order("listener https update --address {spare_tls} --no-strict-sni-binding"),
    refused("listener https update --address {spare_tls} --disable-http11", "disable_http11"),
    order("listener https deactivate --address {spare_tls}", Listens("spare_tls", does=False)),
    order("listener https remove --address {spare_tls}"),
    refused("listener tcp add --address {unserved}", f"AddTcpListener {NO_TCP}"),
    refused(
        "listener tcp update --address {unserved} --front-timeout 5", f"UpdateTcpListener {NO_TCP}"
    ),
    refused("listener tcp activate --address {unserved}", NO_TCP),
    refused("listener tcp deactivate --address {unserved}", NO_TCP),
    refused("listener tcp remove --address {unserved}", NO_TCP),
    refused("listener udp add --address {unserved}", f"AddUdpListener {NO_UDP}"),
    refused(
        "listener udp update --address {unserved} --max-flows 5", f"UpdateUdpListener {NO_UDP}"
    ),
    refused("listener udp activate --address {unserved}", "is not served yet"),
    refused("listener udp deactivate --address {unserved}", "is not served yet"),
    refused("listener udp remove --address {unserved}", "is not served yet"),
)

_OTHER = "--certificate {folder}/other.crt --certificate-chain {folder}/other.crt"
_RENEWED = (
    "--new-certificate {folder}/renewed.crt --new-certificate-chain {folder}/renewed.crt"
    " --new-key {folder}/renewed.key"
)

CERTIFICATES = (
    order(
        f"certificate add --address {{https}} {_OTHER} --key {{folder}}/other.key",
        Shows("other.example", "other"),
        Shows("shop.example", "shop"),
    ),
    refused(
        f"certificate add --address {{https}} {_OTHER} --key {{folder}}/shop.key",
        "key",
        Shows("other.example", "other"),
    ),
    refused(
        f"certificate add --address {{spare}} {_OTHER} --key {{folder}}/other.key", "no listener"
    ),
    Step(
        f"certificate add --address {{https}} {_OTHER} --key {{folder}}/nowhere.key",
        ("nowhere.key",),
        status=1,
    ),
    order(
        f"certificate replace --address {{https}} {_RENEWED} --old-certificate {{folder}}/shop.crt",
        Shows("shop.example", "renewed"),
    ),
    refused(
        f"certificate replace --address {{https}} {_RENEWED} --fingerprint {{shop_print}}",
        "has no certificate with fingerprint",
        Shows("shop.example", "renewed"),
    ),
    order("certificate remove --address {https} --certificate {folder}/other.crt"),
    refused(
        "certificate remove --address {https} --fingerprint {other_print}",
        "has no certificate with fingerprint",
    ),
    order("certificate remove --address {https} --fingerprint {renewed_print}"),
    Step("certificate list", ("No certificates match",), ("CERTIFICATES_WITH_FINGERPRINTS",)),
    order(
        "certificate add --address {https} --certificate {folder}/shop.crt"
        " --certificate-chain {folder}/shop.crt --key {folder}/shop.key"
        " --tls-versions TLS_V13",
        Shows("shop.example", "shop"),
    ),
)

HEALTH_CHECKS = (
    Step(
        "cluster health-check set --id shop --uri /health",
        ("Mismatch between definition and access of `timeout`",),
        status=PANIC,
        fault=TIMEOUT_PANIC,
        before=LATER,
    ),
    order(
        "cluster health-check set --id shop --uri /health --interval 1 --probe-timeout 1",
        Get("shop.example", 200, "shop-1"),
        since=LATER,
    ),
    order("cluster health-check remove --id shop", since=LATER),
    Step(
        "cluster health-check list",
        ("No health checks configured",),
        ("HEALTH_CHECKS_LIST",),
    ),
    Step("cluster health-check list --id shop", ("No health",), ("HEALTH_CHECKS_LIST",)),
    refused("cluster health-check remove --id shop", "has no health check to remove"),
)

KNOBS = (
    order("connection-limit set 5"),
    Step(
        "connection-limit show",
        ("at most 5 connections",),
        ("MAX_CONNECTIONS_PER_IP_LIMIT", "5"),
    ),
    order("connection-limit remove"),
    Step(
        "connection-limit show",
        ("any number of connections",),
        ("MAX_CONNECTIONS_PER_IP_LIMIT", "0"),
    ),
    order("logging debug"),
    order("logging 'info,sozutw=debug'"),
    refused("logging =loud", "Error parsing logging filter"),
    order("logging info"),
)

STATE = (
    Step(
        "state save --file {folder}/state.json",
        ("Success: Saved 12 config messages to {folder}/state.json",),
        looks=(File("state.json", "ADD_CLUSTER"), File("state.json", "PRIVATE KEY")),
    ),
    refused("state save --file {folder}/nowhere/state.json", "Cannot create file at path"),
    order(
        "frontend http remove --address {http} --hostname shop.example id shop",
        Get("shop.example", 404),
    ),
    Step(
        "state load --file {folder}/state.json",
        ("Success: Successfully loaded state from path {folder}/state.json", "0 errors"),
        looks=(Get("shop.example", 200, "shop-1"),),
    ),
    refused("state load --file {folder}/nowhere.json", "Cannot find file at path"),
    refused("state load --file {folder}/both.toml", "both.toml: record 1"),
    Step("state stats", ("AddHttpFrontend",), ("AddHttpFrontend",)),
    Step(
        "reload --file {folder}/changed.toml",
        ("Success: Successfully loaded the config: ", "0 errors"),
        looks=(Get("blog.example", 200, "blog-2", path="/posts"),),
    ),
    Step(
        "reload",
        ("Success: Successfully loaded the config: ", "0 errors"),
        looks=(Get("blog.example", 200, "blog-1", path="/posts"),),
    ),
    refused(
        "reload --file {folder}/nowhere.toml",
        "loading static configuration failed",
        Get("blog.example", 200, "blog-1", path="/posts"),
    ),
)

EVENTS = (
    Step(
        "events",
        ("events subscribed", "cluster added", "cluster removed"),
        while_it_runs=(
            "cluster add --id seen --load-balancing-policy random",
            "cluster remove --id seen",
        ),
        fault="with --json it prints nothing at all",
    ),
)

OF_2_3 = (
    order("cluster connection-attempts set --id shop 3", says=UNKNOWN, since=LATER),
    order("cluster connection-attempts unset --id shop", since=LATER),
    refused("cluster close-sessions --id shop", UNKNOWN, since=LATER),
    Step("cluster tags --id shop", ("owner",), ("owner",), since=LATER),
    refused("connection-attempts set 3", UNKNOWN, since=LATER),
    refused("subnet-connection-limit set 3", UNKNOWN, since=LATER),
    refused("subnet-connection-limit show", UNKNOWN, since=LATER),
    refused("subnet-connection-limit remove", UNKNOWN, since=LATER),
)

UPGRADES = (
    Step(
        "upgrade --worker 0",
        ("worker 0 has another process",),
        looks=(Get("shop.example", 200, "shop-1"),),
    ),
    Step(
        "upgrade",
        (UPGRADED,),
        ("{}", "successfully upgraded worker 0"),
        is_json=False,
        looks=(Get("shop.example", 200, "shop-1"), Get("blog.example", 200, path="/posts")),
        hands_over=True,
    ),
    Step("upgrade --worker 0", ("worker 0 came with the new main process",)),
    refused("upgrade --worker 7", "Worker 7 does not exist"),
)

SOFT = (
    Step(
        "shutdown",
        ("Successfully closed 1 workers",),
        looks=(Listens("http", does=False),),
        ends=0,
    ),
)
HARD = (
    Step(
        "shutdown --hard",
        ("Successfully closed 1 workers",),
        looks=(Listens("http", does=False),),
        ends=0,
    ),
)

PLAYS: tuple[tuple[Step, ...], ...] = (
    (
        *QUESTIONS,
        *METRICS,
        *CLUSTERS,
        *FRONTENDS,
        *LISTENERS,
        *CERTIFICATES,
        *HEALTH_CHECKS,
        *KNOBS,
        *STATE,
        *EVENTS,
        *OF_2_3,
        *UPGRADES,
        *SOFT,
    ),
    HARD,
)
"""Each is played against a sozutw of its own."""

LEFT_OUT = {
    "start": "it is the proxy",
    "worker": "a process of the proxy's own",
    "main": "a process of the proxy's own",
    "upgrade-probe": "between processes of the proxy",
    "help": "asks nobody",
    "top": "a screen; asks what metrics get, events and the lists ask",
}
"""Subcommands that ask no running proxy, or nothing of their own."""
