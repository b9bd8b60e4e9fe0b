from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

Ascii: ProtobufAccessLogFormat
BACKEND_DOWN: EventKind
BACKEND_UP: EventKind
BOTH: HeaderPosition
CERTIFICATE_ADDED: EventKind
CERTIFICATE_REMOVED: EventKind
CERTIFICATE_REPLACED: EventKind
CLEAR: MetricsConfiguration
CLUSTER_ADDED: EventKind
CLUSTER_RECOVERED: EventKind
CLUSTER_REMOVED: EventKind
CONFIGURATION_RELOADED: EventKind
CONNECTIONS: LoadMetric
CONNECTION_TIME: LoadMetric
DESCRIPTOR: _descriptor.FileDescriptor
DETAIL_BACKEND: MetricDetail
DETAIL_CLUSTER: MetricDetail
DETAIL_FRONTEND: MetricDetail
DETAIL_PROCESS: MetricDetail
DISABLED: MetricsConfiguration
ENABLED: MetricsConfiguration
EQUALS: PathRuleKind
EVENTS_SUBSCRIBED: EventKind
EXPECT_HEADER: ProxyProtocolConfig
FAILURE: ResponseStatus
FORWARD: RedirectPolicy
FOUND: RedirectPolicy
FRONTEND_ADDED: EventKind
FRONTEND_REMOVED: EventKind
HEADER_POSITION_UNSPECIFIED: HeaderPosition
HEALTH_CHECK_HEALTHY: EventKind
HEALTH_CHECK_UNHEALTHY: EventKind
HEALTH_OFF: UdpHealthMode
HRW: LoadBalancingAlgorithms
HTTP: ListenerType
HTTPS: ListenerType
LEAST_LOADED: LoadBalancingAlgorithms
LISTENER_ACTIVATED: EventKind
LISTENER_ADDED: EventKind
LISTENER_DEACTIVATED: EventKind
LISTENER_REMOVED: EventKind
LISTENER_UPDATED: EventKind
LOGGING_LEVEL_CHANGED: EventKind
MAGLEV: LoadBalancingAlgorithms
MAIN_UPGRADED: EventKind
METRICS_CONFIGURED: EventKind
METRIC_DETAIL_CHANGED: EventKind
NOT_ANSWERING: RunState
NO_AVAILABLE_BACKENDS: EventKind
OK: ResponseStatus
PERMANENT: RedirectPolicy
PERMANENT_REDIRECT: RedirectPolicy
POST: RulePosition
POWER_OF_TWO: LoadBalancingAlgorithms
PRE: RulePosition
PREFIX: PathRuleKind
PROCESSING: ResponseStatus
Protobuf: ProtobufAccessLogFormat
RANDOM: LoadBalancingAlgorithms
REGEX: PathRuleKind
RELAY_HEADER: ProxyProtocolConfig
REMOVED_BACKEND_HAS_NO_CONNECTIONS: EventKind
REQUEST: HeaderPosition
REQUESTS: LoadMetric
RESPONSE: HeaderPosition
ROUND_ROBIN: LoadBalancingAlgorithms
RUNNING: RunState
SEND_HEADER: ProxyProtocolConfig
SOURCE_IP: UdpAffinityKey
SOURCE_IP_PORT: UdpAffinityKey
SOZU_STOP_REQUESTED: EventKind
SSL_V2: TlsVersion
SSL_V3: TlsVersion
STATE_LOADED: EventKind
STATE_SAVED: EventKind
STOPPED: RunState
STOPPING: RunState
TCP: ListenerType
TCP_PROBE: UdpHealthMode
TLS_V1_0: TlsVersion
TLS_V1_1: TlsVersion
TLS_V1_2: TlsVersion
TLS_V1_3: TlsVersion
TREE: RulePosition
UDP: ListenerType
UDP_PROBE: UdpHealthMode
UNAUTHORIZED: RedirectPolicy
USE_HTTP: RedirectScheme
USE_HTTPS: RedirectScheme
USE_SAME: RedirectScheme
WORKER_KILLED: EventKind
WORKER_RELAUNCHED: EventKind
WORKER_UPGRADED: EventKind

class ActivateListener(_message.Message):
    __slots__ = ["address", "from_scm", "proxy"]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    FROM_SCM_FIELD_NUMBER: _ClassVar[int]
    PROXY_FIELD_NUMBER: _ClassVar[int]
    address: SocketAddress
    from_scm: bool
    proxy: ListenerType
    def __init__(self, address: _Optional[_Union[SocketAddress, _Mapping]] = ..., proxy: _Optional[_Union[ListenerType, str]] = ..., from_scm: bool = ...) -> None: ...

class AddBackend(_message.Message):
    __slots__ = ["address", "backend_id", "backup", "cluster_id", "load_balancing_parameters", "sticky_id"]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    BACKEND_ID_FIELD_NUMBER: _ClassVar[int]
    BACKUP_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    LOAD_BALANCING_PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    STICKY_ID_FIELD_NUMBER: _ClassVar[int]
    address: SocketAddress
    backend_id: str
    backup: bool
    cluster_id: str
    load_balancing_parameters: LoadBalancingParams
    sticky_id: str
    def __init__(self, cluster_id: _Optional[str] = ..., backend_id: _Optional[str] = ..., address: _Optional[_Union[SocketAddress, _Mapping]] = ..., sticky_id: _Optional[str] = ..., load_balancing_parameters: _Optional[_Union[LoadBalancingParams, _Mapping]] = ..., backup: bool = ...) -> None: ...

class AddCertificate(_message.Message):
    __slots__ = ["address", "certificate", "expired_at"]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
    EXPIRED_AT_FIELD_NUMBER: _ClassVar[int]
    address: SocketAddress
    certificate: CertificateAndKey
    expired_at: int
    def __init__(self, address: _Optional[_Union[SocketAddress, _Mapping]] = ..., certificate: _Optional[_Union[CertificateAndKey, _Mapping]] = ..., expired_at: _Optional[int] = ...) -> None: ...

class AggregatedMetrics(_message.Message):
    __slots__ = ["clusters", "main", "proxying", "workers"]
    class ClustersEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: ClusterMetrics
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[ClusterMetrics, _Mapping]] = ...) -> None: ...
    class MainEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: FilteredMetrics
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[FilteredMetrics, _Mapping]] = ...) -> None: ...
    class ProxyingEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: FilteredMetrics
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[FilteredMetrics, _Mapping]] = ...) -> None: ...
    class WorkersEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: WorkerMetrics
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[WorkerMetrics, _Mapping]] = ...) -> None: ...
    CLUSTERS_FIELD_NUMBER: _ClassVar[int]
    MAIN_FIELD_NUMBER: _ClassVar[int]
    PROXYING_FIELD_NUMBER: _ClassVar[int]
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    clusters: _containers.MessageMap[str, ClusterMetrics]
    main: _containers.MessageMap[str, FilteredMetrics]
    proxying: _containers.MessageMap[str, FilteredMetrics]
    workers: _containers.MessageMap[str, WorkerMetrics]
    def __init__(self, main: _Optional[_Mapping[str, FilteredMetrics]] = ..., workers: _Optional[_Mapping[str, WorkerMetrics]] = ..., clusters: _Optional[_Mapping[str, ClusterMetrics]] = ..., proxying: _Optional[_Mapping[str, FilteredMetrics]] = ...) -> None: ...

class AlpnProtocols(_message.Message):
    __slots__ = ["values"]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, values: _Optional[_Iterable[str]] = ...) -> None: ...

class ApplyConfiguration(_message.Message):
    __slots__ = ["dry_run", "keep", "path"]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    KEEP_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    dry_run: bool
    keep: bool
    path: str
    def __init__(self, path: _Optional[str] = ..., keep: bool = ..., dry_run: bool = ...) -> None: ...

class AvailableMetrics(_message.Message):
    __slots__ = ["cluster_metrics", "proxy_metrics"]
    CLUSTER_METRICS_FIELD_NUMBER: _ClassVar[int]
    PROXY_METRICS_FIELD_NUMBER: _ClassVar[int]
    cluster_metrics: _containers.RepeatedScalarFieldContainer[str]
    proxy_metrics: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, proxy_metrics: _Optional[_Iterable[str]] = ..., cluster_metrics: _Optional[_Iterable[str]] = ...) -> None: ...

class BackendMetrics(_message.Message):
    __slots__ = ["backend_id", "metrics"]
    class MetricsEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: FilteredMetrics
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[FilteredMetrics, _Mapping]] = ...) -> None: ...
    BACKEND_ID_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    backend_id: str
    metrics: _containers.MessageMap[str, FilteredMetrics]
    def __init__(self, backend_id: _Optional[str] = ..., metrics: _Optional[_Mapping[str, FilteredMetrics]] = ...) -> None: ...

class BackendTls(_message.Message):
    __slots__ = ["authorities", "certificate", "insecure", "server_name"]
    AUTHORITIES_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
    INSECURE_FIELD_NUMBER: _ClassVar[int]
    SERVER_NAME_FIELD_NUMBER: _ClassVar[int]
    authorities: str
    certificate: CertificateAndKey
    insecure: bool
    server_name: str
    def __init__(self, authorities: _Optional[str] = ..., server_name: _Optional[str] = ..., certificate: _Optional[_Union[CertificateAndKey, _Mapping]] = ..., insecure: bool = ...) -> None: ...

class Batch(_message.Message):
    __slots__ = ["requests"]
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    requests: _containers.RepeatedCompositeFieldContainer[Request]
    def __init__(self, requests: _Optional[_Iterable[_Union[Request, _Mapping]]] = ...) -> None: ...

class Bucket(_message.Message):
    __slots__ = ["count", "le"]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    LE_FIELD_NUMBER: _ClassVar[int]
    count: int
    le: int
    def __init__(self, count: _Optional[int] = ..., le: _Optional[int] = ...) -> None: ...

class CertificateAndKey(_message.Message):
    __slots__ = ["certificate", "certificate_chain", "key", "names", "versions"]
    CERTIFICATE_CHAIN_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    certificate: str
    certificate_chain: _containers.RepeatedScalarFieldContainer[str]
    key: str
    names: _containers.RepeatedScalarFieldContainer[str]
    versions: _containers.RepeatedScalarFieldContainer[TlsVersion]
    def __init__(self, certificate: _Optional[str] = ..., certificate_chain: _Optional[_Iterable[str]] = ..., key: _Optional[str] = ..., versions: _Optional[_Iterable[_Union[TlsVersion, str]]] = ..., names: _Optional[_Iterable[str]] = ...) -> None: ...

class CertificateSummary(_message.Message):
    __slots__ = ["domain", "fingerprint"]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    domain: str
    fingerprint: str
    def __init__(self, domain: _Optional[str] = ..., fingerprint: _Optional[str] = ...) -> None: ...

class CertificateUse(_message.Message):
    __slots__ = ["names", "versions"]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    names: _containers.RepeatedScalarFieldContainer[str]
    versions: _containers.RepeatedScalarFieldContainer[TlsVersion]
    def __init__(self, versions: _Optional[_Iterable[_Union[TlsVersion, str]]] = ..., names: _Optional[_Iterable[str]] = ...) -> None: ...

class CertificatesByAddress(_message.Message):
    __slots__ = ["address", "certificate_summaries"]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATE_SUMMARIES_FIELD_NUMBER: _ClassVar[int]
    address: SocketAddress
    certificate_summaries: _containers.RepeatedCompositeFieldContainer[CertificateSummary]
    def __init__(self, address: _Optional[_Union[SocketAddress, _Mapping]] = ..., certificate_summaries: _Optional[_Iterable[_Union[CertificateSummary, _Mapping]]] = ...) -> None: ...

class CertificatesWithFingerprints(_message.Message):
    __slots__ = ["certs"]
    class CertsEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: CertificateAndKey
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[CertificateAndKey, _Mapping]] = ...) -> None: ...
    CERTS_FIELD_NUMBER: _ClassVar[int]
    certs: _containers.MessageMap[str, CertificateAndKey]
    def __init__(self, certs: _Optional[_Mapping[str, CertificateAndKey]] = ...) -> None: ...

class Cluster(_message.Message):
    __slots__ = ["answer_503", "answers", "authorized_hashes", "cluster_id", "extras", "health_check", "http2", "https_redirect", "https_redirect_port", "load_balancing", "load_metric", "max_connections_per_ip", "proxy_protocol", "retry_after", "sticky_session", "udp", "www_authenticate"]
    class AnswersEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    ANSWER_503_FIELD_NUMBER: _ClassVar[int]
    AUTHORIZED_HASHES_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    EXTRAS_FIELD_NUMBER: _ClassVar[int]
    HEALTH_CHECK_FIELD_NUMBER: _ClassVar[int]
    HTTP2_FIELD_NUMBER: _ClassVar[int]
    HTTPS_REDIRECT_FIELD_NUMBER: _ClassVar[int]
    HTTPS_REDIRECT_PORT_FIELD_NUMBER: _ClassVar[int]
    LOAD_BALANCING_FIELD_NUMBER: _ClassVar[int]
    LOAD_METRIC_FIELD_NUMBER: _ClassVar[int]
    MAX_CONNECTIONS_PER_IP_FIELD_NUMBER: _ClassVar[int]
    PROXY_PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_FIELD_NUMBER: _ClassVar[int]
    STICKY_SESSION_FIELD_NUMBER: _ClassVar[int]
    UDP_FIELD_NUMBER: _ClassVar[int]
    WWW_AUTHENTICATE_FIELD_NUMBER: _ClassVar[int]
    answer_503: str
    answers: _containers.ScalarMap[str, str]
    authorized_hashes: _containers.RepeatedScalarFieldContainer[str]
    cluster_id: str
    extras: ClusterExtras
    health_check: HealthCheckConfig
    http2: bool
    https_redirect: bool
    https_redirect_port: int
    load_balancing: LoadBalancingAlgorithms
    load_metric: LoadMetric
    max_connections_per_ip: int
    proxy_protocol: ProxyProtocolConfig
    retry_after: int
    sticky_session: bool
    udp: UdpClusterConfig
    www_authenticate: str
    def __init__(self, cluster_id: _Optional[str] = ..., sticky_session: bool = ..., https_redirect: bool = ..., proxy_protocol: _Optional[_Union[ProxyProtocolConfig, str]] = ..., load_balancing: _Optional[_Union[LoadBalancingAlgorithms, str]] = ..., answer_503: _Optional[str] = ..., load_metric: _Optional[_Union[LoadMetric, str]] = ..., http2: bool = ..., answers: _Optional[_Mapping[str, str]] = ..., https_redirect_port: _Optional[int] = ..., authorized_hashes: _Optional[_Iterable[str]] = ..., www_authenticate: _Optional[str] = ..., max_connections_per_ip: _Optional[int] = ..., retry_after: _Optional[int] = ..., health_check: _Optional[_Union[HealthCheckConfig, _Mapping]] = ..., udp: _Optional[_Union[UdpClusterConfig, _Mapping]] = ..., extras: _Optional[_Union[ClusterExtras, _Mapping]] = ...) -> None: ...

class ClusterExtras(_message.Message):
    __slots__ = ["affinity", "back_timeout", "backend_tls", "connect_timeout", "front_timeout", "request_timeout", "tunnel_timeout"]
    AFFINITY_FIELD_NUMBER: _ClassVar[int]
    BACKEND_TLS_FIELD_NUMBER: _ClassVar[int]
    BACK_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    CONNECT_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    FRONT_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    TUNNEL_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    affinity: str
    back_timeout: float
    backend_tls: BackendTls
    connect_timeout: float
    front_timeout: float
    request_timeout: float
    tunnel_timeout: float
    def __init__(self, affinity: _Optional[str] = ..., front_timeout: _Optional[float] = ..., back_timeout: _Optional[float] = ..., connect_timeout: _Optional[float] = ..., request_timeout: _Optional[float] = ..., tunnel_timeout: _Optional[float] = ..., backend_tls: _Optional[_Union[BackendTls, _Mapping]] = ...) -> None: ...

class ClusterHashes(_message.Message):
    __slots__ = ["map"]
    class MapEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    MAP_FIELD_NUMBER: _ClassVar[int]
    map: _containers.ScalarMap[str, int]
    def __init__(self, map: _Optional[_Mapping[str, int]] = ...) -> None: ...

class ClusterInformation(_message.Message):
    __slots__ = ["backends", "configuration", "http_frontends", "https_frontends", "tcp_frontends", "udp_frontends"]
    BACKENDS_FIELD_NUMBER: _ClassVar[int]
    CONFIGURATION_FIELD_NUMBER: _ClassVar[int]
    HTTPS_FRONTENDS_FIELD_NUMBER: _ClassVar[int]
    HTTP_FRONTENDS_FIELD_NUMBER: _ClassVar[int]
    TCP_FRONTENDS_FIELD_NUMBER: _ClassVar[int]
    UDP_FRONTENDS_FIELD_NUMBER: _ClassVar[int]
    backends: _containers.RepeatedCompositeFieldContainer[AddBackend]
    configuration: Cluster
    http_frontends: _containers.RepeatedCompositeFieldContainer[RequestHttpFrontend]
    https_frontends: _containers.RepeatedCompositeFieldContainer[RequestHttpFrontend]
    tcp_frontends: _containers.RepeatedCompositeFieldContainer[RequestTcpFrontend]
    udp_frontends: _containers.RepeatedCompositeFieldContainer[RequestUdpFrontend]
    def __init__(self, configuration: _Optional[_Union[Cluster, _Mapping]] = ..., http_frontends: _Optional[_Iterable[_Union[RequestHttpFrontend, _Mapping]]] = ..., https_frontends: _Optional[_Iterable[_Union[RequestHttpFrontend, _Mapping]]] = ..., tcp_frontends: _Optional[_Iterable[_Union[RequestTcpFrontend, _Mapping]]] = ..., backends: _Optional[_Iterable[_Union[AddBackend, _Mapping]]] = ..., udp_frontends: _Optional[_Iterable[_Union[RequestUdpFrontend, _Mapping]]] = ...) -> None: ...

class ClusterInformations(_message.Message):
    __slots__ = ["vec"]
    VEC_FIELD_NUMBER: _ClassVar[int]
    vec: _containers.RepeatedCompositeFieldContainer[ClusterInformation]
    def __init__(self, vec: _Optional[_Iterable[_Union[ClusterInformation, _Mapping]]] = ...) -> None: ...

class ClusterMetrics(_message.Message):
    __slots__ = ["backends", "cluster"]
    class ClusterEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: FilteredMetrics
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[FilteredMetrics, _Mapping]] = ...) -> None: ...
    BACKENDS_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    backends: _containers.RepeatedCompositeFieldContainer[BackendMetrics]
    cluster: _containers.MessageMap[str, FilteredMetrics]
    def __init__(self, cluster: _Optional[_Mapping[str, FilteredMetrics]] = ..., backends: _Optional[_Iterable[_Union[BackendMetrics, _Mapping]]] = ...) -> None: ...

class CountRequests(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class CustomHttpAnswers(_message.Message):
    __slots__ = ["answer_301", "answer_400", "answer_401", "answer_404", "answer_408", "answer_413", "answer_421", "answer_429", "answer_502", "answer_503", "answer_504", "answer_507"]
    ANSWER_301_FIELD_NUMBER: _ClassVar[int]
    ANSWER_400_FIELD_NUMBER: _ClassVar[int]
    ANSWER_401_FIELD_NUMBER: _ClassVar[int]
    ANSWER_404_FIELD_NUMBER: _ClassVar[int]
    ANSWER_408_FIELD_NUMBER: _ClassVar[int]
    ANSWER_413_FIELD_NUMBER: _ClassVar[int]
    ANSWER_421_FIELD_NUMBER: _ClassVar[int]
    ANSWER_429_FIELD_NUMBER: _ClassVar[int]
    ANSWER_502_FIELD_NUMBER: _ClassVar[int]
    ANSWER_503_FIELD_NUMBER: _ClassVar[int]
    ANSWER_504_FIELD_NUMBER: _ClassVar[int]
    ANSWER_507_FIELD_NUMBER: _ClassVar[int]
    answer_301: str
    answer_400: str
    answer_401: str
    answer_404: str
    answer_408: str
    answer_413: str
    answer_421: str
    answer_429: str
    answer_502: str
    answer_503: str
    answer_504: str
    answer_507: str
    def __init__(self, answer_301: _Optional[str] = ..., answer_400: _Optional[str] = ..., answer_401: _Optional[str] = ..., answer_404: _Optional[str] = ..., answer_408: _Optional[str] = ..., answer_413: _Optional[str] = ..., answer_421: _Optional[str] = ..., answer_502: _Optional[str] = ..., answer_503: _Optional[str] = ..., answer_504: _Optional[str] = ..., answer_507: _Optional[str] = ..., answer_429: _Optional[str] = ...) -> None: ...

class DeactivateListener(_message.Message):
    __slots__ = ["address", "proxy", "to_scm"]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    PROXY_FIELD_NUMBER: _ClassVar[int]
    TO_SCM_FIELD_NUMBER: _ClassVar[int]
    address: SocketAddress
    proxy: ListenerType
    to_scm: bool
    def __init__(self, address: _Optional[_Union[SocketAddress, _Mapping]] = ..., proxy: _Optional[_Union[ListenerType, str]] = ..., to_scm: bool = ...) -> None: ...

class DrainState(_message.Message):
    __slots__ = ["closing", "exchange", "idle", "oldest_seconds", "seconds_left", "tunnel"]
    CLOSING_FIELD_NUMBER: _ClassVar[int]
    EXCHANGE_FIELD_NUMBER: _ClassVar[int]
    IDLE_FIELD_NUMBER: _ClassVar[int]
    OLDEST_SECONDS_FIELD_NUMBER: _ClassVar[int]
    SECONDS_LEFT_FIELD_NUMBER: _ClassVar[int]
    TUNNEL_FIELD_NUMBER: _ClassVar[int]
    closing: int
    exchange: int
    idle: int
    oldest_seconds: float
    seconds_left: float
    tunnel: int
    def __init__(self, idle: _Optional[int] = ..., exchange: _Optional[int] = ..., tunnel: _Optional[int] = ..., closing: _Optional[int] = ..., oldest_seconds: _Optional[float] = ..., seconds_left: _Optional[float] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ["address", "backend_id", "cluster_id", "kind", "metric_detail"]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    BACKEND_ID_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    METRIC_DETAIL_FIELD_NUMBER: _ClassVar[int]
    address: SocketAddress
    backend_id: str
    cluster_id: str
    kind: EventKind
    metric_detail: MetricDetailTransition
    def __init__(self, kind: _Optional[_Union[EventKind, str]] = ..., cluster_id: _Optional[str] = ..., backend_id: _Optional[str] = ..., address: _Optional[_Union[SocketAddress, _Mapping]] = ..., metric_detail: _Optional[_Union[MetricDetailTransition, _Mapping]] = ...) -> None: ...

class Explain(_message.Message):
    __slots__ = ["headers", "method", "source", "url"]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    headers: _containers.RepeatedScalarFieldContainer[str]
    method: str
    source: str
    url: str
    def __init__(self, url: _Optional[str] = ..., method: _Optional[str] = ..., headers: _Optional[_Iterable[str]] = ..., source: _Optional[str] = ...) -> None: ...

class Explanation(_message.Message):
    __slots__ = ["steps"]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    steps: _containers.RepeatedCompositeFieldContainer[ExplanationStep]
    def __init__(self, steps: _Optional[_Iterable[_Union[ExplanationStep, _Mapping]]] = ...) -> None: ...

class ExplanationStep(_message.Message):
    __slots__ = ["because", "chosen", "kind", "passed_over"]
    BECAUSE_FIELD_NUMBER: _ClassVar[int]
    CHOSEN_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    PASSED_OVER_FIELD_NUMBER: _ClassVar[int]
    because: str
    chosen: str
    kind: str
    passed_over: _containers.RepeatedCompositeFieldContainer[PassedOver]
    def __init__(self, kind: _Optional[str] = ..., chosen: _Optional[str] = ..., because: _Optional[str] = ..., passed_over: _Optional[_Iterable[_Union[PassedOver, _Mapping]]] = ...) -> None: ...

class FilteredHistogram(_message.Message):
    __slots__ = ["buckets", "count", "sum"]
    BUCKETS_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    SUM_FIELD_NUMBER: _ClassVar[int]
    buckets: _containers.RepeatedCompositeFieldContainer[Bucket]
    count: int
    sum: int
    def __init__(self, sum: _Optional[int] = ..., count: _Optional[int] = ..., buckets: _Optional[_Iterable[_Union[Bucket, _Mapping]]] = ...) -> None: ...

class FilteredMetrics(_message.Message):
    __slots__ = ["count", "gauge", "histogram", "percentiles", "time", "time_serie"]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    GAUGE_FIELD_NUMBER: _ClassVar[int]
    HISTOGRAM_FIELD_NUMBER: _ClassVar[int]
    PERCENTILES_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    TIME_SERIE_FIELD_NUMBER: _ClassVar[int]
    count: int
    gauge: int
    histogram: FilteredHistogram
    percentiles: Percentiles
    time: int
    time_serie: FilteredTimeSerie
    def __init__(self, gauge: _Optional[int] = ..., count: _Optional[int] = ..., time: _Optional[int] = ..., percentiles: _Optional[_Union[Percentiles, _Mapping]] = ..., time_serie: _Optional[_Union[FilteredTimeSerie, _Mapping]] = ..., histogram: _Optional[_Union[FilteredHistogram, _Mapping]] = ...) -> None: ...

class FilteredTimeSerie(_message.Message):
    __slots__ = ["last_hour", "last_minute", "last_second"]
    LAST_HOUR_FIELD_NUMBER: _ClassVar[int]
    LAST_MINUTE_FIELD_NUMBER: _ClassVar[int]
    LAST_SECOND_FIELD_NUMBER: _ClassVar[int]
    last_hour: _containers.RepeatedScalarFieldContainer[int]
    last_minute: _containers.RepeatedScalarFieldContainer[int]
    last_second: int
    def __init__(self, last_second: _Optional[int] = ..., last_minute: _Optional[_Iterable[int]] = ..., last_hour: _Optional[_Iterable[int]] = ...) -> None: ...

class FrontendFilters(_message.Message):
    __slots__ = ["domain", "http", "https", "tcp"]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    HTTPS_FIELD_NUMBER: _ClassVar[int]
    HTTP_FIELD_NUMBER: _ClassVar[int]
    TCP_FIELD_NUMBER: _ClassVar[int]
    domain: str
    http: bool
    https: bool
    tcp: bool
    def __init__(self, http: bool = ..., https: bool = ..., tcp: bool = ..., domain: _Optional[str] = ...) -> None: ...

class HardStop(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class Header(_message.Message):
    __slots__ = ["key", "position", "val"]
    KEY_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    VAL_FIELD_NUMBER: _ClassVar[int]
    key: str
    position: HeaderPosition
    val: str
    def __init__(self, position: _Optional[_Union[HeaderPosition, str]] = ..., key: _Optional[str] = ..., val: _Optional[str] = ...) -> None: ...

class HealthCheckConfig(_message.Message):
    __slots__ = ["expected_status", "healthy_threshold", "interval", "tcp", "timeout", "unhealthy_threshold", "uri"]
    EXPECTED_STATUS_FIELD_NUMBER: _ClassVar[int]
    HEALTHY_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_FIELD_NUMBER: _ClassVar[int]
    TCP_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    UNHEALTHY_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    URI_FIELD_NUMBER: _ClassVar[int]
    expected_status: int
    healthy_threshold: int
    interval: int
    tcp: bool
    timeout: int
    unhealthy_threshold: int
    uri: str
    def __init__(self, uri: _Optional[str] = ..., interval: _Optional[int] = ..., timeout: _Optional[int] = ..., healthy_threshold: _Optional[int] = ..., unhealthy_threshold: _Optional[int] = ..., expected_status: _Optional[int] = ..., tcp: bool = ...) -> None: ...

class HealthChecksList(_message.Message):
    __slots__ = ["map"]
    class MapEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: HealthCheckConfig
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[HealthCheckConfig, _Mapping]] = ...) -> None: ...
    MAP_FIELD_NUMBER: _ClassVar[int]
    map: _containers.MessageMap[str, HealthCheckConfig]
    def __init__(self, map: _Optional[_Mapping[str, HealthCheckConfig]] = ...) -> None: ...

class HstsConfig(_message.Message):
    __slots__ = ["enabled", "force_replace_backend", "include_subdomains", "max_age", "preload"]
    ENABLED_FIELD_NUMBER: _ClassVar[int]
    FORCE_REPLACE_BACKEND_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_SUBDOMAINS_FIELD_NUMBER: _ClassVar[int]
    MAX_AGE_FIELD_NUMBER: _ClassVar[int]
    PRELOAD_FIELD_NUMBER: _ClassVar[int]
    enabled: bool
    force_replace_backend: bool
    include_subdomains: bool
    max_age: int
    preload: bool
    def __init__(self, enabled: bool = ..., max_age: _Optional[int] = ..., include_subdomains: bool = ..., preload: bool = ..., force_replace_backend: bool = ...) -> None: ...

class HttpEndpoint(_message.Message):
    __slots__ = ["authority", "method", "path", "reason", "status"]
    AUTHORITY_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    authority: str
    method: str
    path: str
    reason: str
    status: int
    def __init__(self, method: _Optional[str] = ..., authority: _Optional[str] = ..., path: _Optional[str] = ..., status: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...

class HttpListenerConfig(_message.Message):
    __slots__ = ["active", "address", "answers", "back_timeout", "connect_timeout", "elide_x_real_ip", "expect_proxy", "extras", "front_timeout", "h2_graceful_shutdown_deadline_seconds", "h2_initial_connection_window", "h2_max_concurrent_streams", "h2_max_continuation_frames", "h2_max_empty_data_per_window", "h2_max_glitch_count", "h2_max_header_fields", "h2_max_header_list_size", "h2_max_header_table_size", "h2_max_ping_per_window", "h2_max_rst_stream_abusive_lifetime", "h2_max_rst_stream_emitted_lifetime", "h2_max_rst_stream_lifetime", "h2_max_rst_stream_per_window", "h2_max_settings_per_window", "h2_max_window_update_stream0_per_window", "h2_stream_idle_timeout_seconds", "h2_stream_shrink_ratio", "http_answers", "public_address", "request_timeout", "send_x_real_ip", "sozu_id_header", "sticky_name"]
    class AnswersEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ACTIVE_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    BACK_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    CONNECT_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    ELIDE_X_REAL_IP_FIELD_NUMBER: _ClassVar[int]
    EXPECT_PROXY_FIELD_NUMBER: _ClassVar[int]
    EXTRAS_FIELD_NUMBER: _ClassVar[int]
    FRONT_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    H2_GRACEFUL_SHUTDOWN_DEADLINE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    H2_INITIAL_CONNECTION_WINDOW_FIELD_NUMBER: _ClassVar[int]
    H2_MAX_CONCURRENT_STREAMS_FIELD_NUMBER: _ClassVar[int]
    H2_MAX_CONTINUATION_FRAMES_FIELD_NUMBER: _ClassVar[int]
    H2_MAX_EMPTY_DATA_PER_WINDOW_FIELD_NUMBER: _ClassVar[int]
    H2_MAX_GLITCH_COUNT_FIELD_NUMBER: _ClassVar[int]
    H2_MAX_HEADER_FIELDS_FIELD_NUMBER: _ClassVar[int]
    H2_MAX_HEADER_LIST_SIZE_FIELD_NUMBER: _ClassVar[int]
    H2_MAX_HEADER_TABLE_SIZE_FIELD_NUMBER: _ClassVar[int]
    H2_MAX_PING_PER_WINDOW_FIELD_NUMBER: _ClassVar[int]
    H2_MAX_RST_STREAM_ABUSIVE_LIFETIME_FIELD_NUMBER: _ClassVar[int]
    H2_MAX_RST_STREAM_EMITTED_LIFETIME_FIELD_NUMBER: _ClassVar[int]
    H2_MAX_RST_STREAM_LIFETIME_FIELD_NUMBER: _ClassVar[int]
    H2_MAX_RST_STREAM_PER_WINDOW_FIELD_NUMBER: _ClassVar[int]
    H2_MAX_SETTINGS_PER_WINDOW_FIELD_NUMBER: _ClassVar[int]
    H2_MAX_WINDOW_UPDATE_STREAM0_PER_WINDOW_FIELD_NUMBER: _ClassVar[int]
    H2_STREAM_IDLE_TIMEOUT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    H2_STREAM_SHRINK_RATIO_FIELD_NUMBER: _ClassVar[int]
    HTTP_ANSWERS_FIELD_NUMBER: _ClassVar[int]
    PUBLIC_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    SEND_X_REAL_IP_FIELD_NUMBER: _ClassVar[int]
    SOZU_ID_HEADER_FIELD_NUMBER: _ClassVar[int]
    STICKY_NAME_FIELD_NUMBER: _ClassVar[int]
    active: bool
    address: SocketAddress
    answers: _containers.ScalarMap[str, str]
    back_timeout: int
    connect_timeout: int
    elide_x_real_ip: bool
    expect_proxy: bool
    extras: ListenerExtras
    front_timeout: int
    h2_graceful_shutdown_deadline_seconds: int
    h2_initial_connection_window: int
    h2_max_concurrent_streams: int
    h2_max_continuation_frames: int
    h2_max_empty_data_per_window: int
    h2_max_glitch_count: int
    h2_max_header_fields: int
    h2_max_header_list_size: int
    h2_max_header_table_size: int
    h2_max_ping_per_window: int
    h2_max_rst_stream_abusive_lifetime: int
    h2_max_rst_stream_emitted_lifetime: int
    h2_max_rst_stream_lifetime: int
    h2_max_rst_stream_per_window: int
    h2_max_settings_per_window: int
    h2_max_window_update_stream0_per_window: int
    h2_stream_idle_timeout_seconds: int
    h2_stream_shrink_ratio: int
    http_answers: CustomHttpAnswers
    public_address: SocketAddress
    request_timeout: int
    send_x_real_ip: bool
    sozu_id_header: str
    sticky_name: str
    def __init__(self, address: _Optional[_Union[SocketAddress, _Mapping]] = ..., public_address: _Optional[_Union[SocketAddress, _Mapping]] = ..., expect_proxy: bool = ..., sticky_name: _Optional[str] = ..., front_timeout: _Optional[int] = ..., back_timeout: _Optional[int] = ..., connect_timeout: _Optional[int] = ..., request_timeout: _Optional[int] = ..., active: bool = ..., http_answers: _Optional[_Union[CustomHttpAnswers, _Mapping]] = ..., h2_max_rst_stream_per_window: _Optional[int] = ..., h2_max_ping_per_window: _Optional[int] = ..., h2_max_settings_per_window: _Optional[int] = ..., h2_max_empty_data_per_window: _Optional[int] = ..., h2_max_continuation_frames: _Optional[int] = ..., h2_max_glitch_count: _Optional[int] = ..., h2_initial_connection_window: _Optional[int] = ..., h2_max_concurrent_streams: _Optional[int] = ..., h2_stream_shrink_ratio: _Optional[int] = ..., h2_max_rst_stream_lifetime: _Optional[int] = ..., h2_max_rst_stream_abusive_lifetime: _Optional[int] = ..., h2_max_rst_stream_emitted_lifetime: _Optional[int] = ..., h2_max_header_list_size: _Optional[int] = ..., h2_stream_idle_timeout_seconds: _Optional[int] = ..., h2_max_header_table_size: _Optional[int] = ..., h2_graceful_shutdown_deadline_seconds: _Optional[int] = ..., h2_max_window_update_stream0_per_window: _Optional[int] = ..., sozu_id_header: _Optional[str] = ..., answers: _Optional[_Mapping[str, str]] = ..., elide_x_real_ip: bool = ..., send_x_real_ip: bool = ..., h2_max_header_fields: _Optional[int] = ..., extras: _Optional[_Union[ListenerExtras, _Mapping]] = ...) -> None: ...

class HttpsListenerConfig(_message.Message):
    __slots__ = ["active", "address", "alpn_protocols", "answers", "back_timeout", "certificate", "certificate_chain", "cipher_list", "cipher_suites", "connect_timeout", "disable_http11", "elide_x_real_ip", "expect_proxy", "extras", "front_timeout", "groups_list", "h2_graceful_shutdown_deadline_seconds", "h2_initial_connection_window", "h2_max_concurrent_streams", "h2_max_continuation_frames", "h2_max_empty_data_per_window", "h2_max_glitch_count", "h2_max_header_fields", "h2_max_header_list_size", "h2_max_header_table_size", "h2_max_ping_per_window", "h2_max_rst_stream_abusive_lifetime", "h2_max_rst_stream_emitted_lifetime", "h2_max_rst_stream_lifetime", "h2_max_rst_stream_per_window", "h2_max_settings_per_window", "h2_max_window_update_stream0_per_window", "h2_stream_idle_timeout_seconds", "h2_stream_shrink_ratio", "hsts", "http_answers", "key", "public_address", "request_timeout", "send_tls13_tickets", "send_x_real_ip", "signature_algorithms", "sozu_id_header", "sticky_name", "strict_sni_binding", "versions"]
    class AnswersEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ACTIVE_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    ALPN_PROTOCOLS_FIELD_NUMBER: _ClassVar[int]
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    BACK_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATE_CHAIN_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
    CIPHER_LIST_FIELD_NUMBER: _ClassVar[int]
    CIPHER_SUITES_FIELD_NUMBER: _ClassVar[int]
    CONNECT_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    DISABLE_HTTP11_FIELD_NUMBER: _ClassVar[int]
    ELIDE_X_REAL_IP_FIELD_NUMBER: _ClassVar[int]
    EXPECT_PROXY_FIELD_NUMBER: _ClassVar[int]
    EXTRAS_FIELD_NUMBER: _ClassVar[int]
    FRONT_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    GROUPS_LIST_FIELD_NUMBER: _ClassVar[int]
    H2_GRACEFUL_SHUTDOWN_DEADLINE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    H2_INITIAL_CONNECTION_WINDOW_FIELD_NUMBER: _ClassVar[int]
    H2_MAX_CONCURRENT_STREAMS_FIELD_NUMBER: _ClassVar[int]
    H2_MAX_CONTINUATION_FRAMES_FIELD_NUMBER: _ClassVar[int]
    H2_MAX_EMPTY_DATA_PER_WINDOW_FIELD_NUMBER: _ClassVar[int]
    H2_MAX_GLITCH_COUNT_FIELD_NUMBER: _ClassVar[int]
    H2_MAX_HEADER_FIELDS_FIELD_NUMBER: _ClassVar[int]
    H2_MAX_HEADER_LIST_SIZE_FIELD_NUMBER: _ClassVar[int]
    H2_MAX_HEADER_TABLE_SIZE_FIELD_NUMBER: _ClassVar[int]
    H2_MAX_PING_PER_WINDOW_FIELD_NUMBER: _ClassVar[int]
    H2_MAX_RST_STREAM_ABUSIVE_LIFETIME_FIELD_NUMBER: _ClassVar[int]
    H2_MAX_RST_STREAM_EMITTED_LIFETIME_FIELD_NUMBER: _ClassVar[int]
    H2_MAX_RST_STREAM_LIFETIME_FIELD_NUMBER: _ClassVar[int]
    H2_MAX_RST_STREAM_PER_WINDOW_FIELD_NUMBER: _ClassVar[int]
    H2_MAX_SETTINGS_PER_WINDOW_FIELD_NUMBER: _ClassVar[int]
    H2_MAX_WINDOW_UPDATE_STREAM0_PER_WINDOW_FIELD_NUMBER: _ClassVar[int]
    H2_STREAM_IDLE_TIMEOUT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    H2_STREAM_SHRINK_RATIO_FIELD_NUMBER: _ClassVar[int]
    HSTS_FIELD_NUMBER: _ClassVar[int]
    HTTP_ANSWERS_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    PUBLIC_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    SEND_TLS13_TICKETS_FIELD_NUMBER: _ClassVar[int]
    SEND_X_REAL_IP_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_ALGORITHMS_FIELD_NUMBER: _ClassVar[int]
    SOZU_ID_HEADER_FIELD_NUMBER: _ClassVar[int]
    STICKY_NAME_FIELD_NUMBER: _ClassVar[int]
    STRICT_SNI_BINDING_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    active: bool
    address: SocketAddress
    alpn_protocols: _containers.RepeatedScalarFieldContainer[str]
    answers: _containers.ScalarMap[str, str]
    back_timeout: int
    certificate: str
    certificate_chain: _containers.RepeatedScalarFieldContainer[str]
    cipher_list: _containers.RepeatedScalarFieldContainer[str]
    cipher_suites: _containers.RepeatedScalarFieldContainer[str]
    connect_timeout: int
    disable_http11: bool
    elide_x_real_ip: bool
    expect_proxy: bool
    extras: ListenerExtras
    front_timeout: int
    groups_list: _containers.RepeatedScalarFieldContainer[str]
    h2_graceful_shutdown_deadline_seconds: int
    h2_initial_connection_window: int
    h2_max_concurrent_streams: int
    h2_max_continuation_frames: int
    h2_max_empty_data_per_window: int
    h2_max_glitch_count: int
    h2_max_header_fields: int
    h2_max_header_list_size: int
    h2_max_header_table_size: int
    h2_max_ping_per_window: int
    h2_max_rst_stream_abusive_lifetime: int
    h2_max_rst_stream_emitted_lifetime: int
    h2_max_rst_stream_lifetime: int
    h2_max_rst_stream_per_window: int
    h2_max_settings_per_window: int
    h2_max_window_update_stream0_per_window: int
    h2_stream_idle_timeout_seconds: int
    h2_stream_shrink_ratio: int
    hsts: HstsConfig
    http_answers: CustomHttpAnswers
    key: str
    public_address: SocketAddress
    request_timeout: int
    send_tls13_tickets: int
    send_x_real_ip: bool
    signature_algorithms: _containers.RepeatedScalarFieldContainer[str]
    sozu_id_header: str
    sticky_name: str
    strict_sni_binding: bool
    versions: _containers.RepeatedScalarFieldContainer[TlsVersion]
    def __init__(self, address: _Optional[_Union[SocketAddress, _Mapping]] = ..., public_address: _Optional[_Union[SocketAddress, _Mapping]] = ..., expect_proxy: bool = ..., sticky_name: _Optional[str] = ..., front_timeout: _Optional[int] = ..., back_timeout: _Optional[int] = ..., connect_timeout: _Optional[int] = ..., request_timeout: _Optional[int] = ..., active: bool = ..., versions: _Optional[_Iterable[_Union[TlsVersion, str]]] = ..., cipher_list: _Optional[_Iterable[str]] = ..., cipher_suites: _Optional[_Iterable[str]] = ..., signature_algorithms: _Optional[_Iterable[str]] = ..., groups_list: _Optional[_Iterable[str]] = ..., certificate: _Optional[str] = ..., certificate_chain: _Optional[_Iterable[str]] = ..., key: _Optional[str] = ..., send_tls13_tickets: _Optional[int] = ..., http_answers: _Optional[_Union[CustomHttpAnswers, _Mapping]] = ..., alpn_protocols: _Optional[_Iterable[str]] = ..., h2_max_rst_stream_per_window: _Optional[int] = ..., h2_max_ping_per_window: _Optional[int] = ..., h2_max_settings_per_window: _Optional[int] = ..., h2_max_empty_data_per_window: _Optional[int] = ..., h2_max_continuation_frames: _Optional[int] = ..., h2_max_glitch_count: _Optional[int] = ..., h2_initial_connection_window: _Optional[int] = ..., h2_max_concurrent_streams: _Optional[int] = ..., h2_stream_shrink_ratio: _Optional[int] = ..., h2_max_rst_stream_lifetime: _Optional[int] = ..., h2_max_rst_stream_abusive_lifetime: _Optional[int] = ..., h2_max_rst_stream_emitted_lifetime: _Optional[int] = ..., h2_max_header_list_size: _Optional[int] = ..., strict_sni_binding: bool = ..., disable_http11: bool = ..., h2_stream_idle_timeout_seconds: _Optional[int] = ..., h2_max_header_table_size: _Optional[int] = ..., h2_graceful_shutdown_deadline_seconds: _Optional[int] = ..., h2_max_window_update_stream0_per_window: _Optional[int] = ..., sozu_id_header: _Optional[str] = ..., answers: _Optional[_Mapping[str, str]] = ..., elide_x_real_ip: bool = ..., send_x_real_ip: bool = ..., hsts: _Optional[_Union[HstsConfig, _Mapping]] = ..., h2_max_header_fields: _Optional[int] = ..., extras: _Optional[_Union[ListenerExtras, _Mapping]] = ...) -> None: ...

class InitialState(_message.Message):
    __slots__ = ["requests"]
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    requests: _containers.RepeatedCompositeFieldContainer[WorkerRequest]
    def __init__(self, requests: _Optional[_Iterable[_Union[WorkerRequest, _Mapping]]] = ...) -> None: ...

class IpAddress(_message.Message):
    __slots__ = ["v4", "v6"]
    V4_FIELD_NUMBER: _ClassVar[int]
    V6_FIELD_NUMBER: _ClassVar[int]
    v4: int
    v6: Uint128
    def __init__(self, v4: _Optional[int] = ..., v6: _Optional[_Union[Uint128, _Mapping]] = ...) -> None: ...

class ListListeners(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class ListOfCertificatesByAddress(_message.Message):
    __slots__ = ["certificates"]
    CERTIFICATES_FIELD_NUMBER: _ClassVar[int]
    certificates: _containers.RepeatedCompositeFieldContainer[CertificatesByAddress]
    def __init__(self, certificates: _Optional[_Iterable[_Union[CertificatesByAddress, _Mapping]]] = ...) -> None: ...

class ListSessions(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class ListWorkers(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class ListedFrontends(_message.Message):
    __slots__ = ["http_frontends", "https_frontends", "tcp_frontends", "udp_frontends"]
    HTTPS_FRONTENDS_FIELD_NUMBER: _ClassVar[int]
    HTTP_FRONTENDS_FIELD_NUMBER: _ClassVar[int]
    TCP_FRONTENDS_FIELD_NUMBER: _ClassVar[int]
    UDP_FRONTENDS_FIELD_NUMBER: _ClassVar[int]
    http_frontends: _containers.RepeatedCompositeFieldContainer[RequestHttpFrontend]
    https_frontends: _containers.RepeatedCompositeFieldContainer[RequestHttpFrontend]
    tcp_frontends: _containers.RepeatedCompositeFieldContainer[RequestTcpFrontend]
    udp_frontends: _containers.RepeatedCompositeFieldContainer[RequestUdpFrontend]
    def __init__(self, http_frontends: _Optional[_Iterable[_Union[RequestHttpFrontend, _Mapping]]] = ..., https_frontends: _Optional[_Iterable[_Union[RequestHttpFrontend, _Mapping]]] = ..., tcp_frontends: _Optional[_Iterable[_Union[RequestTcpFrontend, _Mapping]]] = ..., udp_frontends: _Optional[_Iterable[_Union[RequestUdpFrontend, _Mapping]]] = ...) -> None: ...

class ListenerExtras(_message.Message):
    __slots__ = ["back_timeout", "certificate_use", "client_auth", "client_authorities", "connect_timeout", "front_timeout", "request_timeout", "send_tls13_tickets", "trusted_proxies", "tunnel_timeout"]
    BACK_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATE_USE_FIELD_NUMBER: _ClassVar[int]
    CLIENT_AUTHORITIES_FIELD_NUMBER: _ClassVar[int]
    CLIENT_AUTH_FIELD_NUMBER: _ClassVar[int]
    CONNECT_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    FRONT_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    SEND_TLS13_TICKETS_FIELD_NUMBER: _ClassVar[int]
    TRUSTED_PROXIES_FIELD_NUMBER: _ClassVar[int]
    TUNNEL_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    back_timeout: float
    certificate_use: CertificateUse
    client_auth: str
    client_authorities: str
    connect_timeout: float
    front_timeout: float
    request_timeout: float
    send_tls13_tickets: int
    trusted_proxies: _containers.RepeatedScalarFieldContainer[str]
    tunnel_timeout: float
    def __init__(self, front_timeout: _Optional[float] = ..., back_timeout: _Optional[float] = ..., connect_timeout: _Optional[float] = ..., request_timeout: _Optional[float] = ..., tunnel_timeout: _Optional[float] = ..., trusted_proxies: _Optional[_Iterable[str]] = ..., client_auth: _Optional[str] = ..., client_authorities: _Optional[str] = ..., send_tls13_tickets: _Optional[int] = ..., certificate_use: _Optional[_Union[CertificateUse, _Mapping]] = ...) -> None: ...

class ListenersCount(_message.Message):
    __slots__ = ["http", "tcp", "tls", "udp"]
    HTTP_FIELD_NUMBER: _ClassVar[int]
    TCP_FIELD_NUMBER: _ClassVar[int]
    TLS_FIELD_NUMBER: _ClassVar[int]
    UDP_FIELD_NUMBER: _ClassVar[int]
    http: _containers.RepeatedScalarFieldContainer[str]
    tcp: _containers.RepeatedScalarFieldContainer[str]
    tls: _containers.RepeatedScalarFieldContainer[str]
    udp: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, http: _Optional[_Iterable[str]] = ..., tls: _Optional[_Iterable[str]] = ..., tcp: _Optional[_Iterable[str]] = ..., udp: _Optional[_Iterable[str]] = ...) -> None: ...

class ListenersList(_message.Message):
    __slots__ = ["http_listeners", "https_listeners", "tcp_listeners", "udp_listeners"]
    class HttpListenersEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: HttpListenerConfig
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[HttpListenerConfig, _Mapping]] = ...) -> None: ...
    class HttpsListenersEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: HttpsListenerConfig
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[HttpsListenerConfig, _Mapping]] = ...) -> None: ...
    class TcpListenersEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: TcpListenerConfig
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[TcpListenerConfig, _Mapping]] = ...) -> None: ...
    class UdpListenersEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: UdpListenerConfig
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[UdpListenerConfig, _Mapping]] = ...) -> None: ...
    HTTPS_LISTENERS_FIELD_NUMBER: _ClassVar[int]
    HTTP_LISTENERS_FIELD_NUMBER: _ClassVar[int]
    TCP_LISTENERS_FIELD_NUMBER: _ClassVar[int]
    UDP_LISTENERS_FIELD_NUMBER: _ClassVar[int]
    http_listeners: _containers.MessageMap[str, HttpListenerConfig]
    https_listeners: _containers.MessageMap[str, HttpsListenerConfig]
    tcp_listeners: _containers.MessageMap[str, TcpListenerConfig]
    udp_listeners: _containers.MessageMap[str, UdpListenerConfig]
    def __init__(self, http_listeners: _Optional[_Mapping[str, HttpListenerConfig]] = ..., https_listeners: _Optional[_Mapping[str, HttpsListenerConfig]] = ..., tcp_listeners: _Optional[_Mapping[str, TcpListenerConfig]] = ..., udp_listeners: _Optional[_Mapping[str, UdpListenerConfig]] = ...) -> None: ...

class LoadBalancingParams(_message.Message):
    __slots__ = ["weight"]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    weight: int
    def __init__(self, weight: _Optional[int] = ...) -> None: ...

class MaxConnectionsPerIpLimit(_message.Message):
    __slots__ = ["limit"]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    limit: int
    def __init__(self, limit: _Optional[int] = ...) -> None: ...

class MetricDetailStatus(_message.Message):
    __slots__ = ["configured", "effective", "previous_effective", "workers"]
    class WorkersEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: WorkerMetricDetailStatus
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[WorkerMetricDetailStatus, _Mapping]] = ...) -> None: ...
    CONFIGURED_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_EFFECTIVE_FIELD_NUMBER: _ClassVar[int]
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    configured: MetricDetail
    effective: MetricDetail
    previous_effective: MetricDetail
    workers: _containers.MessageMap[str, WorkerMetricDetailStatus]
    def __init__(self, configured: _Optional[_Union[MetricDetail, str]] = ..., effective: _Optional[_Union[MetricDetail, str]] = ..., previous_effective: _Optional[_Union[MetricDetail, str]] = ..., workers: _Optional[_Mapping[str, WorkerMetricDetailStatus]] = ...) -> None: ...

class MetricDetailTransition(_message.Message):
    __slots__ = ["client_id", "effective", "previous_effective", "transition_kind"]
    CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_EFFECTIVE_FIELD_NUMBER: _ClassVar[int]
    TRANSITION_KIND_FIELD_NUMBER: _ClassVar[int]
    client_id: str
    effective: MetricDetail
    previous_effective: MetricDetail
    transition_kind: str
    def __init__(self, previous_effective: _Optional[_Union[MetricDetail, str]] = ..., effective: _Optional[_Union[MetricDetail, str]] = ..., transition_kind: _Optional[str] = ..., client_id: _Optional[str] = ...) -> None: ...

class OpenTelemetry(_message.Message):
    __slots__ = ["parent_span_id", "span_id", "trace_id"]
    PARENT_SPAN_ID_FIELD_NUMBER: _ClassVar[int]
    SPAN_ID_FIELD_NUMBER: _ClassVar[int]
    TRACE_ID_FIELD_NUMBER: _ClassVar[int]
    parent_span_id: str
    span_id: str
    trace_id: str
    def __init__(self, trace_id: _Optional[str] = ..., span_id: _Optional[str] = ..., parent_span_id: _Optional[str] = ...) -> None: ...

class PassedOver(_message.Message):
    __slots__ = ["because", "what"]
    BECAUSE_FIELD_NUMBER: _ClassVar[int]
    WHAT_FIELD_NUMBER: _ClassVar[int]
    because: str
    what: str
    def __init__(self, what: _Optional[str] = ..., because: _Optional[str] = ...) -> None: ...

class PathRule(_message.Message):
    __slots__ = ["kind", "value"]
    KIND_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    kind: PathRuleKind
    value: str
    def __init__(self, kind: _Optional[_Union[PathRuleKind, str]] = ..., value: _Optional[str] = ...) -> None: ...

class Percentiles(_message.Message):
    __slots__ = ["p_100", "p_50", "p_90", "p_99", "p_99_9", "p_99_99", "p_99_999", "samples", "sum"]
    P_100_FIELD_NUMBER: _ClassVar[int]
    P_50_FIELD_NUMBER: _ClassVar[int]
    P_90_FIELD_NUMBER: _ClassVar[int]
    P_99_999_FIELD_NUMBER: _ClassVar[int]
    P_99_99_FIELD_NUMBER: _ClassVar[int]
    P_99_9_FIELD_NUMBER: _ClassVar[int]
    P_99_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    SUM_FIELD_NUMBER: _ClassVar[int]
    p_100: int
    p_50: int
    p_90: int
    p_99: int
    p_99_9: int
    p_99_99: int
    p_99_999: int
    samples: int
    sum: int
    def __init__(self, samples: _Optional[int] = ..., p_50: _Optional[int] = ..., p_90: _Optional[int] = ..., p_99: _Optional[int] = ..., p_99_9: _Optional[int] = ..., p_99_99: _Optional[int] = ..., p_99_999: _Optional[int] = ..., p_100: _Optional[int] = ..., sum: _Optional[int] = ...) -> None: ...

class ProtobufAccessLog(_message.Message):
    __slots__ = ["backend_address", "backend_id", "bytes_in", "bytes_out", "client_rtt", "cluster_id", "endpoint", "message", "otel", "protocol", "request_id", "request_time", "response_time", "server_rtt", "service_time", "session_address", "session_id", "start_time", "tag", "tags", "time", "tls_alpn", "tls_cipher", "tls_sni", "tls_version", "user_agent", "x_request_id", "xff_chain"]
    class TagsEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    BACKEND_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    BACKEND_ID_FIELD_NUMBER: _ClassVar[int]
    BYTES_IN_FIELD_NUMBER: _ClassVar[int]
    BYTES_OUT_FIELD_NUMBER: _ClassVar[int]
    CLIENT_RTT_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    OTEL_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_TIME_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_TIME_FIELD_NUMBER: _ClassVar[int]
    SERVER_RTT_FIELD_NUMBER: _ClassVar[int]
    SERVICE_TIME_FIELD_NUMBER: _ClassVar[int]
    SESSION_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    TAG_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    TLS_ALPN_FIELD_NUMBER: _ClassVar[int]
    TLS_CIPHER_FIELD_NUMBER: _ClassVar[int]
    TLS_SNI_FIELD_NUMBER: _ClassVar[int]
    TLS_VERSION_FIELD_NUMBER: _ClassVar[int]
    USER_AGENT_FIELD_NUMBER: _ClassVar[int]
    XFF_CHAIN_FIELD_NUMBER: _ClassVar[int]
    X_REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    backend_address: SocketAddress
    backend_id: str
    bytes_in: int
    bytes_out: int
    client_rtt: int
    cluster_id: str
    endpoint: ProtobufEndpoint
    message: str
    otel: OpenTelemetry
    protocol: str
    request_id: Uint128
    request_time: int
    response_time: int
    server_rtt: int
    service_time: int
    session_address: SocketAddress
    session_id: Uint128
    start_time: Uint128
    tag: str
    tags: _containers.ScalarMap[str, str]
    time: Uint128
    tls_alpn: str
    tls_cipher: str
    tls_sni: str
    tls_version: str
    user_agent: str
    x_request_id: str
    xff_chain: str
    def __init__(self, message: _Optional[str] = ..., request_id: _Optional[_Union[Uint128, _Mapping]] = ..., cluster_id: _Optional[str] = ..., backend_id: _Optional[str] = ..., session_address: _Optional[_Union[SocketAddress, _Mapping]] = ..., backend_address: _Optional[_Union[SocketAddress, _Mapping]] = ..., protocol: _Optional[str] = ..., endpoint: _Optional[_Union[ProtobufEndpoint, _Mapping]] = ..., client_rtt: _Optional[int] = ..., server_rtt: _Optional[int] = ..., service_time: _Optional[int] = ..., bytes_in: _Optional[int] = ..., bytes_out: _Optional[int] = ..., user_agent: _Optional[str] = ..., tags: _Optional[_Mapping[str, str]] = ..., tag: _Optional[str] = ..., time: _Optional[_Union[Uint128, _Mapping]] = ..., request_time: _Optional[int] = ..., response_time: _Optional[int] = ..., otel: _Optional[_Union[OpenTelemetry, _Mapping]] = ..., session_id: _Optional[_Union[Uint128, _Mapping]] = ..., x_request_id: _Optional[str] = ..., tls_version: _Optional[str] = ..., tls_cipher: _Optional[str] = ..., tls_sni: _Optional[str] = ..., tls_alpn: _Optional[str] = ..., xff_chain: _Optional[str] = ..., start_time: _Optional[_Union[Uint128, _Mapping]] = ...) -> None: ...

class ProtobufEndpoint(_message.Message):
    __slots__ = ["http", "tcp"]
    HTTP_FIELD_NUMBER: _ClassVar[int]
    TCP_FIELD_NUMBER: _ClassVar[int]
    http: HttpEndpoint
    tcp: TcpEndpoint
    def __init__(self, http: _Optional[_Union[HttpEndpoint, _Mapping]] = ..., tcp: _Optional[_Union[TcpEndpoint, _Mapping]] = ...) -> None: ...

class QueryCertificatesFilters(_message.Message):
    __slots__ = ["domain", "fingerprint"]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    domain: str
    fingerprint: str
    def __init__(self, domain: _Optional[str] = ..., fingerprint: _Optional[str] = ...) -> None: ...

class QueryClusterByDomain(_message.Message):
    __slots__ = ["hostname", "path"]
    HOSTNAME_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    hostname: str
    path: str
    def __init__(self, hostname: _Optional[str] = ..., path: _Optional[str] = ...) -> None: ...

class QueryClustersHashes(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class QueryHealthChecks(_message.Message):
    __slots__ = ["cluster_id"]
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    cluster_id: str
    def __init__(self, cluster_id: _Optional[str] = ...) -> None: ...

class QueryMaxConnectionsPerIp(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class QueryMetricsOptions(_message.Message):
    __slots__ = ["backend_ids", "cluster_ids", "list", "metric_names", "no_clusters", "workers"]
    BACKEND_IDS_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_IDS_FIELD_NUMBER: _ClassVar[int]
    LIST_FIELD_NUMBER: _ClassVar[int]
    METRIC_NAMES_FIELD_NUMBER: _ClassVar[int]
    NO_CLUSTERS_FIELD_NUMBER: _ClassVar[int]
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    backend_ids: _containers.RepeatedScalarFieldContainer[str]
    cluster_ids: _containers.RepeatedScalarFieldContainer[str]
    list: bool
    metric_names: _containers.RepeatedScalarFieldContainer[str]
    no_clusters: bool
    workers: bool
    def __init__(self, list: bool = ..., cluster_ids: _Optional[_Iterable[str]] = ..., backend_ids: _Optional[_Iterable[str]] = ..., metric_names: _Optional[_Iterable[str]] = ..., no_clusters: bool = ..., workers: bool = ...) -> None: ...

class RemoveBackend(_message.Message):
    __slots__ = ["address", "backend_id", "cluster_id"]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    BACKEND_ID_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    address: SocketAddress
    backend_id: str
    cluster_id: str
    def __init__(self, cluster_id: _Optional[str] = ..., backend_id: _Optional[str] = ..., address: _Optional[_Union[SocketAddress, _Mapping]] = ...) -> None: ...

class RemoveCertificate(_message.Message):
    __slots__ = ["address", "fingerprint"]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    address: SocketAddress
    fingerprint: str
    def __init__(self, address: _Optional[_Union[SocketAddress, _Mapping]] = ..., fingerprint: _Optional[str] = ...) -> None: ...

class RemoveListener(_message.Message):
    __slots__ = ["address", "proxy"]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    PROXY_FIELD_NUMBER: _ClassVar[int]
    address: SocketAddress
    proxy: ListenerType
    def __init__(self, address: _Optional[_Union[SocketAddress, _Mapping]] = ..., proxy: _Optional[_Union[ListenerType, str]] = ...) -> None: ...

class ReplaceCertificate(_message.Message):
    __slots__ = ["address", "new_certificate", "new_expired_at", "old_fingerprint"]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    NEW_CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
    NEW_EXPIRED_AT_FIELD_NUMBER: _ClassVar[int]
    OLD_FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    address: SocketAddress
    new_certificate: CertificateAndKey
    new_expired_at: int
    old_fingerprint: str
    def __init__(self, address: _Optional[_Union[SocketAddress, _Mapping]] = ..., new_certificate: _Optional[_Union[CertificateAndKey, _Mapping]] = ..., old_fingerprint: _Optional[str] = ..., new_expired_at: _Optional[int] = ...) -> None: ...

class ReplaceDefaultCertificate(_message.Message):
    __slots__ = ["address", "certificate"]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
    address: SocketAddress
    certificate: CertificateAndKey
    def __init__(self, address: _Optional[_Union[SocketAddress, _Mapping]] = ..., certificate: _Optional[_Union[CertificateAndKey, _Mapping]] = ...) -> None: ...

class Request(_message.Message):
    __slots__ = ["Logging", "activate_listener", "add_backend", "add_certificate", "add_cluster", "add_http_frontend", "add_http_listener", "add_https_frontend", "add_https_listener", "add_tcp_frontend", "add_tcp_listener", "add_udp_frontend", "add_udp_listener", "apply_configuration", "batch", "configure_metrics", "count_requests", "deactivate_listener", "explain", "hard_stop", "kill_session", "launch_worker", "list_frontends", "list_listeners", "list_sessions", "list_workers", "load_state", "query_certificates_from_the_state", "query_certificates_from_workers", "query_cluster_by_id", "query_clusters_by_domain", "query_clusters_hashes", "query_health_checks", "query_max_connections_per_ip", "query_metrics", "reload_configuration", "remove_backend", "remove_certificate", "remove_cluster", "remove_health_check", "remove_http_frontend", "remove_https_frontend", "remove_listener", "remove_tcp_frontend", "remove_udp_frontend", "replace_certificate", "replace_default_certificate", "return_listen_sockets", "save_state", "save_state_as", "set_health_check", "set_max_connections_per_ip", "set_metric_detail", "soft_stop", "status", "subscribe_events", "update_http_listener", "update_https_listener", "update_tcp_listener", "update_udp_listener", "upgrade_main", "upgrade_worker"]
    ACTIVATE_LISTENER_FIELD_NUMBER: _ClassVar[int]
    ADD_BACKEND_FIELD_NUMBER: _ClassVar[int]
    ADD_CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
    ADD_CLUSTER_FIELD_NUMBER: _ClassVar[int]
    ADD_HTTPS_FRONTEND_FIELD_NUMBER: _ClassVar[int]
    ADD_HTTPS_LISTENER_FIELD_NUMBER: _ClassVar[int]
    ADD_HTTP_FRONTEND_FIELD_NUMBER: _ClassVar[int]
    ADD_HTTP_LISTENER_FIELD_NUMBER: _ClassVar[int]
    ADD_TCP_FRONTEND_FIELD_NUMBER: _ClassVar[int]
    ADD_TCP_LISTENER_FIELD_NUMBER: _ClassVar[int]
    ADD_UDP_FRONTEND_FIELD_NUMBER: _ClassVar[int]
    ADD_UDP_LISTENER_FIELD_NUMBER: _ClassVar[int]
    APPLY_CONFIGURATION_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    CONFIGURE_METRICS_FIELD_NUMBER: _ClassVar[int]
    COUNT_REQUESTS_FIELD_NUMBER: _ClassVar[int]
    DEACTIVATE_LISTENER_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_FIELD_NUMBER: _ClassVar[int]
    HARD_STOP_FIELD_NUMBER: _ClassVar[int]
    KILL_SESSION_FIELD_NUMBER: _ClassVar[int]
    LAUNCH_WORKER_FIELD_NUMBER: _ClassVar[int]
    LIST_FRONTENDS_FIELD_NUMBER: _ClassVar[int]
    LIST_LISTENERS_FIELD_NUMBER: _ClassVar[int]
    LIST_SESSIONS_FIELD_NUMBER: _ClassVar[int]
    LIST_WORKERS_FIELD_NUMBER: _ClassVar[int]
    LOAD_STATE_FIELD_NUMBER: _ClassVar[int]
    LOGGING_FIELD_NUMBER: _ClassVar[int]
    Logging: str
    QUERY_CERTIFICATES_FROM_THE_STATE_FIELD_NUMBER: _ClassVar[int]
    QUERY_CERTIFICATES_FROM_WORKERS_FIELD_NUMBER: _ClassVar[int]
    QUERY_CLUSTERS_BY_DOMAIN_FIELD_NUMBER: _ClassVar[int]
    QUERY_CLUSTERS_HASHES_FIELD_NUMBER: _ClassVar[int]
    QUERY_CLUSTER_BY_ID_FIELD_NUMBER: _ClassVar[int]
    QUERY_HEALTH_CHECKS_FIELD_NUMBER: _ClassVar[int]
    QUERY_MAX_CONNECTIONS_PER_IP_FIELD_NUMBER: _ClassVar[int]
    QUERY_METRICS_FIELD_NUMBER: _ClassVar[int]
    RELOAD_CONFIGURATION_FIELD_NUMBER: _ClassVar[int]
    REMOVE_BACKEND_FIELD_NUMBER: _ClassVar[int]
    REMOVE_CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
    REMOVE_CLUSTER_FIELD_NUMBER: _ClassVar[int]
    REMOVE_HEALTH_CHECK_FIELD_NUMBER: _ClassVar[int]
    REMOVE_HTTPS_FRONTEND_FIELD_NUMBER: _ClassVar[int]
    REMOVE_HTTP_FRONTEND_FIELD_NUMBER: _ClassVar[int]
    REMOVE_LISTENER_FIELD_NUMBER: _ClassVar[int]
    REMOVE_TCP_FRONTEND_FIELD_NUMBER: _ClassVar[int]
    REMOVE_UDP_FRONTEND_FIELD_NUMBER: _ClassVar[int]
    REPLACE_CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
    REPLACE_DEFAULT_CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
    RETURN_LISTEN_SOCKETS_FIELD_NUMBER: _ClassVar[int]
    SAVE_STATE_AS_FIELD_NUMBER: _ClassVar[int]
    SAVE_STATE_FIELD_NUMBER: _ClassVar[int]
    SET_HEALTH_CHECK_FIELD_NUMBER: _ClassVar[int]
    SET_MAX_CONNECTIONS_PER_IP_FIELD_NUMBER: _ClassVar[int]
    SET_METRIC_DETAIL_FIELD_NUMBER: _ClassVar[int]
    SOFT_STOP_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    SUBSCRIBE_EVENTS_FIELD_NUMBER: _ClassVar[int]
    UPDATE_HTTPS_LISTENER_FIELD_NUMBER: _ClassVar[int]
    UPDATE_HTTP_LISTENER_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TCP_LISTENER_FIELD_NUMBER: _ClassVar[int]
    UPDATE_UDP_LISTENER_FIELD_NUMBER: _ClassVar[int]
    UPGRADE_MAIN_FIELD_NUMBER: _ClassVar[int]
    UPGRADE_WORKER_FIELD_NUMBER: _ClassVar[int]
    activate_listener: ActivateListener
    add_backend: AddBackend
    add_certificate: AddCertificate
    add_cluster: Cluster
    add_http_frontend: RequestHttpFrontend
    add_http_listener: HttpListenerConfig
    add_https_frontend: RequestHttpFrontend
    add_https_listener: HttpsListenerConfig
    add_tcp_frontend: RequestTcpFrontend
    add_tcp_listener: TcpListenerConfig
    add_udp_frontend: RequestUdpFrontend
    add_udp_listener: UdpListenerConfig
    apply_configuration: ApplyConfiguration
    batch: Batch
    configure_metrics: MetricsConfiguration
    count_requests: CountRequests
    deactivate_listener: DeactivateListener
    explain: Explain
    hard_stop: HardStop
    kill_session: int
    launch_worker: str
    list_frontends: FrontendFilters
    list_listeners: ListListeners
    list_sessions: ListSessions
    list_workers: ListWorkers
    load_state: str
    query_certificates_from_the_state: QueryCertificatesFilters
    query_certificates_from_workers: QueryCertificatesFilters
    query_cluster_by_id: str
    query_clusters_by_domain: QueryClusterByDomain
    query_clusters_hashes: QueryClustersHashes
    query_health_checks: QueryHealthChecks
    query_max_connections_per_ip: QueryMaxConnectionsPerIp
    query_metrics: QueryMetricsOptions
    reload_configuration: str
    remove_backend: RemoveBackend
    remove_certificate: RemoveCertificate
    remove_cluster: str
    remove_health_check: str
    remove_http_frontend: RequestHttpFrontend
    remove_https_frontend: RequestHttpFrontend
    remove_listener: RemoveListener
    remove_tcp_frontend: RequestTcpFrontend
    remove_udp_frontend: RequestUdpFrontend
    replace_certificate: ReplaceCertificate
    replace_default_certificate: ReplaceDefaultCertificate
    return_listen_sockets: ReturnListenSockets
    save_state: str
    save_state_as: SaveState
    set_health_check: SetHealthCheck
    set_max_connections_per_ip: int
    set_metric_detail: SetMetricDetail
    soft_stop: SoftStop
    status: Status
    subscribe_events: SubscribeEvents
    update_http_listener: UpdateHttpListenerConfig
    update_https_listener: UpdateHttpsListenerConfig
    update_tcp_listener: UpdateTcpListenerConfig
    update_udp_listener: UpdateUdpListenerConfig
    upgrade_main: UpgradeMain
    upgrade_worker: int
    def __init__(self, save_state: _Optional[str] = ..., load_state: _Optional[str] = ..., list_workers: _Optional[_Union[ListWorkers, _Mapping]] = ..., list_frontends: _Optional[_Union[FrontendFilters, _Mapping]] = ..., list_listeners: _Optional[_Union[ListListeners, _Mapping]] = ..., launch_worker: _Optional[str] = ..., upgrade_main: _Optional[_Union[UpgradeMain, _Mapping]] = ..., upgrade_worker: _Optional[int] = ..., subscribe_events: _Optional[_Union[SubscribeEvents, _Mapping]] = ..., reload_configuration: _Optional[str] = ..., status: _Optional[_Union[Status, _Mapping]] = ..., add_cluster: _Optional[_Union[Cluster, _Mapping]] = ..., remove_cluster: _Optional[str] = ..., add_http_frontend: _Optional[_Union[RequestHttpFrontend, _Mapping]] = ..., remove_http_frontend: _Optional[_Union[RequestHttpFrontend, _Mapping]] = ..., add_https_frontend: _Optional[_Union[RequestHttpFrontend, _Mapping]] = ..., remove_https_frontend: _Optional[_Union[RequestHttpFrontend, _Mapping]] = ..., add_certificate: _Optional[_Union[AddCertificate, _Mapping]] = ..., replace_certificate: _Optional[_Union[ReplaceCertificate, _Mapping]] = ..., remove_certificate: _Optional[_Union[RemoveCertificate, _Mapping]] = ..., add_tcp_frontend: _Optional[_Union[RequestTcpFrontend, _Mapping]] = ..., remove_tcp_frontend: _Optional[_Union[RequestTcpFrontend, _Mapping]] = ..., add_backend: _Optional[_Union[AddBackend, _Mapping]] = ..., remove_backend: _Optional[_Union[RemoveBackend, _Mapping]] = ..., add_http_listener: _Optional[_Union[HttpListenerConfig, _Mapping]] = ..., add_https_listener: _Optional[_Union[HttpsListenerConfig, _Mapping]] = ..., add_tcp_listener: _Optional[_Union[TcpListenerConfig, _Mapping]] = ..., remove_listener: _Optional[_Union[RemoveListener, _Mapping]] = ..., activate_listener: _Optional[_Union[ActivateListener, _Mapping]] = ..., deactivate_listener: _Optional[_Union[DeactivateListener, _Mapping]] = ..., query_cluster_by_id: _Optional[str] = ..., query_clusters_by_domain: _Optional[_Union[QueryClusterByDomain, _Mapping]] = ..., query_clusters_hashes: _Optional[_Union[QueryClustersHashes, _Mapping]] = ..., query_metrics: _Optional[_Union[QueryMetricsOptions, _Mapping]] = ..., soft_stop: _Optional[_Union[SoftStop, _Mapping]] = ..., hard_stop: _Optional[_Union[HardStop, _Mapping]] = ..., configure_metrics: _Optional[_Union[MetricsConfiguration, str]] = ..., Logging: _Optional[str] = ..., return_listen_sockets: _Optional[_Union[ReturnListenSockets, _Mapping]] = ..., query_certificates_from_the_state: _Optional[_Union[QueryCertificatesFilters, _Mapping]] = ..., query_certificates_from_workers: _Optional[_Union[QueryCertificatesFilters, _Mapping]] = ..., count_requests: _Optional[_Union[CountRequests, _Mapping]] = ..., update_http_listener: _Optional[_Union[UpdateHttpListenerConfig, _Mapping]] = ..., update_https_listener: _Optional[_Union[UpdateHttpsListenerConfig, _Mapping]] = ..., update_tcp_listener: _Optional[_Union[UpdateTcpListenerConfig, _Mapping]] = ..., set_max_connections_per_ip: _Optional[int] = ..., query_max_connections_per_ip: _Optional[_Union[QueryMaxConnectionsPerIp, _Mapping]] = ..., set_health_check: _Optional[_Union[SetHealthCheck, _Mapping]] = ..., remove_health_check: _Optional[str] = ..., query_health_checks: _Optional[_Union[QueryHealthChecks, _Mapping]] = ..., set_metric_detail: _Optional[_Union[SetMetricDetail, _Mapping]] = ..., add_udp_listener: _Optional[_Union[UdpListenerConfig, _Mapping]] = ..., update_udp_listener: _Optional[_Union[UpdateUdpListenerConfig, _Mapping]] = ..., add_udp_frontend: _Optional[_Union[RequestUdpFrontend, _Mapping]] = ..., remove_udp_frontend: _Optional[_Union[RequestUdpFrontend, _Mapping]] = ..., explain: _Optional[_Union[Explain, _Mapping]] = ..., list_sessions: _Optional[_Union[ListSessions, _Mapping]] = ..., kill_session: _Optional[int] = ..., apply_configuration: _Optional[_Union[ApplyConfiguration, _Mapping]] = ..., save_state_as: _Optional[_Union[SaveState, _Mapping]] = ..., batch: _Optional[_Union[Batch, _Mapping]] = ..., replace_default_certificate: _Optional[_Union[ReplaceDefaultCertificate, _Mapping]] = ...) -> None: ...

class RequestCounts(_message.Message):
    __slots__ = ["map"]
    class MapEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    MAP_FIELD_NUMBER: _ClassVar[int]
    map: _containers.ScalarMap[str, int]
    def __init__(self, map: _Optional[_Mapping[str, int]] = ...) -> None: ...

class RequestHttpFrontend(_message.Message):
    __slots__ = ["address", "cluster_id", "headers", "hostname", "hsts", "method", "path", "position", "redirect", "redirect_scheme", "redirect_template", "required_auth", "rewrite_host", "rewrite_path", "rewrite_port", "tags"]
    class TagsEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    HOSTNAME_FIELD_NUMBER: _ClassVar[int]
    HSTS_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    REDIRECT_FIELD_NUMBER: _ClassVar[int]
    REDIRECT_SCHEME_FIELD_NUMBER: _ClassVar[int]
    REDIRECT_TEMPLATE_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_AUTH_FIELD_NUMBER: _ClassVar[int]
    REWRITE_HOST_FIELD_NUMBER: _ClassVar[int]
    REWRITE_PATH_FIELD_NUMBER: _ClassVar[int]
    REWRITE_PORT_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    address: SocketAddress
    cluster_id: str
    headers: _containers.RepeatedCompositeFieldContainer[Header]
    hostname: str
    hsts: HstsConfig
    method: str
    path: PathRule
    position: RulePosition
    redirect: RedirectPolicy
    redirect_scheme: RedirectScheme
    redirect_template: str
    required_auth: bool
    rewrite_host: str
    rewrite_path: str
    rewrite_port: int
    tags: _containers.ScalarMap[str, str]
    def __init__(self, cluster_id: _Optional[str] = ..., address: _Optional[_Union[SocketAddress, _Mapping]] = ..., hostname: _Optional[str] = ..., path: _Optional[_Union[PathRule, _Mapping]] = ..., method: _Optional[str] = ..., position: _Optional[_Union[RulePosition, str]] = ..., tags: _Optional[_Mapping[str, str]] = ..., redirect: _Optional[_Union[RedirectPolicy, str]] = ..., required_auth: bool = ..., redirect_scheme: _Optional[_Union[RedirectScheme, str]] = ..., redirect_template: _Optional[str] = ..., rewrite_host: _Optional[str] = ..., rewrite_path: _Optional[str] = ..., rewrite_port: _Optional[int] = ..., headers: _Optional[_Iterable[_Union[Header, _Mapping]]] = ..., hsts: _Optional[_Union[HstsConfig, _Mapping]] = ...) -> None: ...

class RequestTcpFrontend(_message.Message):
    __slots__ = ["address", "cluster_id", "tags"]
    class TagsEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    address: SocketAddress
    cluster_id: str
    tags: _containers.ScalarMap[str, str]
    def __init__(self, cluster_id: _Optional[str] = ..., address: _Optional[_Union[SocketAddress, _Mapping]] = ..., tags: _Optional[_Mapping[str, str]] = ...) -> None: ...

class RequestUdpFrontend(_message.Message):
    __slots__ = ["address", "cluster_id", "tags"]
    class TagsEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    address: SocketAddress
    cluster_id: str
    tags: _containers.ScalarMap[str, str]
    def __init__(self, cluster_id: _Optional[str] = ..., address: _Optional[_Union[SocketAddress, _Mapping]] = ..., tags: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Response(_message.Message):
    __slots__ = ["content", "message", "status"]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    content: ResponseContent
    message: str
    status: ResponseStatus
    def __init__(self, status: _Optional[_Union[ResponseStatus, str]] = ..., message: _Optional[str] = ..., content: _Optional[_Union[ResponseContent, _Mapping]] = ...) -> None: ...

class ResponseContent(_message.Message):
    __slots__ = ["available_metrics", "certificates_by_address", "certificates_with_fingerprints", "changes", "cluster_hashes", "clusters", "event", "explanation", "frontend_list", "health_checks_list", "listeners_list", "max_connections_per_ip_limit", "metric_detail_status", "metrics", "request_counts", "sessions", "worker_metric_detail_status", "worker_metrics", "worker_responses", "workers"]
    AVAILABLE_METRICS_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATES_BY_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATES_WITH_FINGERPRINTS_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    CLUSTERS_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_HASHES_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    FRONTEND_LIST_FIELD_NUMBER: _ClassVar[int]
    HEALTH_CHECKS_LIST_FIELD_NUMBER: _ClassVar[int]
    LISTENERS_LIST_FIELD_NUMBER: _ClassVar[int]
    MAX_CONNECTIONS_PER_IP_LIMIT_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    METRIC_DETAIL_STATUS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_COUNTS_FIELD_NUMBER: _ClassVar[int]
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    WORKER_METRICS_FIELD_NUMBER: _ClassVar[int]
    WORKER_METRIC_DETAIL_STATUS_FIELD_NUMBER: _ClassVar[int]
    WORKER_RESPONSES_FIELD_NUMBER: _ClassVar[int]
    available_metrics: AvailableMetrics
    certificates_by_address: ListOfCertificatesByAddress
    certificates_with_fingerprints: CertificatesWithFingerprints
    changes: Batch
    cluster_hashes: ClusterHashes
    clusters: ClusterInformations
    event: Event
    explanation: Explanation
    frontend_list: ListedFrontends
    health_checks_list: HealthChecksList
    listeners_list: ListenersList
    max_connections_per_ip_limit: MaxConnectionsPerIpLimit
    metric_detail_status: MetricDetailStatus
    metrics: AggregatedMetrics
    request_counts: RequestCounts
    sessions: SessionInfos
    worker_metric_detail_status: WorkerMetricDetailStatus
    worker_metrics: WorkerMetrics
    worker_responses: WorkerResponses
    workers: WorkerInfos
    def __init__(self, workers: _Optional[_Union[WorkerInfos, _Mapping]] = ..., metrics: _Optional[_Union[AggregatedMetrics, _Mapping]] = ..., worker_responses: _Optional[_Union[WorkerResponses, _Mapping]] = ..., event: _Optional[_Union[Event, _Mapping]] = ..., frontend_list: _Optional[_Union[ListedFrontends, _Mapping]] = ..., listeners_list: _Optional[_Union[ListenersList, _Mapping]] = ..., worker_metrics: _Optional[_Union[WorkerMetrics, _Mapping]] = ..., available_metrics: _Optional[_Union[AvailableMetrics, _Mapping]] = ..., clusters: _Optional[_Union[ClusterInformations, _Mapping]] = ..., cluster_hashes: _Optional[_Union[ClusterHashes, _Mapping]] = ..., certificates_by_address: _Optional[_Union[ListOfCertificatesByAddress, _Mapping]] = ..., certificates_with_fingerprints: _Optional[_Union[CertificatesWithFingerprints, _Mapping]] = ..., request_counts: _Optional[_Union[RequestCounts, _Mapping]] = ..., max_connections_per_ip_limit: _Optional[_Union[MaxConnectionsPerIpLimit, _Mapping]] = ..., health_checks_list: _Optional[_Union[HealthChecksList, _Mapping]] = ..., metric_detail_status: _Optional[_Union[MetricDetailStatus, _Mapping]] = ..., worker_metric_detail_status: _Optional[_Union[WorkerMetricDetailStatus, _Mapping]] = ..., explanation: _Optional[_Union[Explanation, _Mapping]] = ..., sessions: _Optional[_Union[SessionInfos, _Mapping]] = ..., changes: _Optional[_Union[Batch, _Mapping]] = ...) -> None: ...

class ReturnListenSockets(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class SaveState(_message.Message):
    __slots__ = ["path", "without_keys"]
    PATH_FIELD_NUMBER: _ClassVar[int]
    WITHOUT_KEYS_FIELD_NUMBER: _ClassVar[int]
    path: str
    without_keys: bool
    def __init__(self, path: _Optional[str] = ..., without_keys: bool = ...) -> None: ...

class ServerConfig(_message.Message):
    __slots__ = ["accept_queue_timeout", "access_log_format", "access_logs_target", "audit_logs_json_target", "audit_logs_target", "back_timeout", "basic_auth_max_credential_bytes", "buffer_size", "command_buffer_size", "connect_timeout", "evict_on_queue_full", "front_timeout", "log_colored", "log_level", "log_target", "max_buffers", "max_command_buffer_size", "max_connections", "max_connections_per_ip", "metrics", "min_buffers", "retry_after", "slab_entries_per_connection", "splice_pipe_capacity_bytes", "zombie_check_interval"]
    ACCEPT_QUEUE_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    ACCESS_LOGS_TARGET_FIELD_NUMBER: _ClassVar[int]
    ACCESS_LOG_FORMAT_FIELD_NUMBER: _ClassVar[int]
    AUDIT_LOGS_JSON_TARGET_FIELD_NUMBER: _ClassVar[int]
    AUDIT_LOGS_TARGET_FIELD_NUMBER: _ClassVar[int]
    BACK_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    BASIC_AUTH_MAX_CREDENTIAL_BYTES_FIELD_NUMBER: _ClassVar[int]
    BUFFER_SIZE_FIELD_NUMBER: _ClassVar[int]
    COMMAND_BUFFER_SIZE_FIELD_NUMBER: _ClassVar[int]
    CONNECT_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    EVICT_ON_QUEUE_FULL_FIELD_NUMBER: _ClassVar[int]
    FRONT_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    LOG_COLORED_FIELD_NUMBER: _ClassVar[int]
    LOG_LEVEL_FIELD_NUMBER: _ClassVar[int]
    LOG_TARGET_FIELD_NUMBER: _ClassVar[int]
    MAX_BUFFERS_FIELD_NUMBER: _ClassVar[int]
    MAX_COMMAND_BUFFER_SIZE_FIELD_NUMBER: _ClassVar[int]
    MAX_CONNECTIONS_FIELD_NUMBER: _ClassVar[int]
    MAX_CONNECTIONS_PER_IP_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    MIN_BUFFERS_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_FIELD_NUMBER: _ClassVar[int]
    SLAB_ENTRIES_PER_CONNECTION_FIELD_NUMBER: _ClassVar[int]
    SPLICE_PIPE_CAPACITY_BYTES_FIELD_NUMBER: _ClassVar[int]
    ZOMBIE_CHECK_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    accept_queue_timeout: int
    access_log_format: ProtobufAccessLogFormat
    access_logs_target: str
    audit_logs_json_target: str
    audit_logs_target: str
    back_timeout: int
    basic_auth_max_credential_bytes: int
    buffer_size: int
    command_buffer_size: int
    connect_timeout: int
    evict_on_queue_full: bool
    front_timeout: int
    log_colored: bool
    log_level: str
    log_target: str
    max_buffers: int
    max_command_buffer_size: int
    max_connections: int
    max_connections_per_ip: int
    metrics: ServerMetricsConfig
    min_buffers: int
    retry_after: int
    slab_entries_per_connection: int
    splice_pipe_capacity_bytes: int
    zombie_check_interval: int
    def __init__(self, max_connections: _Optional[int] = ..., front_timeout: _Optional[int] = ..., back_timeout: _Optional[int] = ..., connect_timeout: _Optional[int] = ..., zombie_check_interval: _Optional[int] = ..., accept_queue_timeout: _Optional[int] = ..., min_buffers: _Optional[int] = ..., max_buffers: _Optional[int] = ..., buffer_size: _Optional[int] = ..., log_level: _Optional[str] = ..., log_target: _Optional[str] = ..., access_logs_target: _Optional[str] = ..., command_buffer_size: _Optional[int] = ..., max_command_buffer_size: _Optional[int] = ..., metrics: _Optional[_Union[ServerMetricsConfig, _Mapping]] = ..., access_log_format: _Optional[_Union[ProtobufAccessLogFormat, str]] = ..., log_colored: bool = ..., audit_logs_target: _Optional[str] = ..., audit_logs_json_target: _Optional[str] = ..., slab_entries_per_connection: _Optional[int] = ..., basic_auth_max_credential_bytes: _Optional[int] = ..., evict_on_queue_full: bool = ..., max_connections_per_ip: _Optional[int] = ..., retry_after: _Optional[int] = ..., splice_pipe_capacity_bytes: _Optional[int] = ...) -> None: ...

class ServerMetricsConfig(_message.Message):
    __slots__ = ["address", "detail", "prefix", "tagged_metrics"]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    TAGGED_METRICS_FIELD_NUMBER: _ClassVar[int]
    address: str
    detail: MetricDetail
    prefix: str
    tagged_metrics: bool
    def __init__(self, address: _Optional[str] = ..., tagged_metrics: bool = ..., prefix: _Optional[str] = ..., detail: _Optional[_Union[MetricDetail, str]] = ...) -> None: ...

class SessionInfo(_message.Message):
    __slots__ = ["age_seconds", "backend_address", "backend_id", "cluster_id", "idle_seconds", "listener", "peer", "protocol", "state", "token", "ulid"]
    AGE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    BACKEND_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    BACKEND_ID_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    IDLE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    LISTENER_FIELD_NUMBER: _ClassVar[int]
    PEER_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    ULID_FIELD_NUMBER: _ClassVar[int]
    age_seconds: float
    backend_address: str
    backend_id: str
    cluster_id: str
    idle_seconds: float
    listener: str
    peer: str
    protocol: str
    state: str
    token: int
    ulid: str
    def __init__(self, token: _Optional[int] = ..., listener: _Optional[str] = ..., peer: _Optional[str] = ..., protocol: _Optional[str] = ..., age_seconds: _Optional[float] = ..., idle_seconds: _Optional[float] = ..., state: _Optional[str] = ..., cluster_id: _Optional[str] = ..., backend_id: _Optional[str] = ..., backend_address: _Optional[str] = ..., ulid: _Optional[str] = ...) -> None: ...

class SessionInfos(_message.Message):
    __slots__ = ["total", "vec"]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    VEC_FIELD_NUMBER: _ClassVar[int]
    total: int
    vec: _containers.RepeatedCompositeFieldContainer[SessionInfo]
    def __init__(self, vec: _Optional[_Iterable[_Union[SessionInfo, _Mapping]]] = ..., total: _Optional[int] = ...) -> None: ...

class SetHealthCheck(_message.Message):
    __slots__ = ["cluster_id", "config"]
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    cluster_id: str
    config: HealthCheckConfig
    def __init__(self, cluster_id: _Optional[str] = ..., config: _Optional[_Union[HealthCheckConfig, _Mapping]] = ...) -> None: ...

class SetMetricDetail(_message.Message):
    __slots__ = ["clear", "client_id", "detail", "peer_pid", "peer_session_ulid", "reason", "ttl_seconds"]
    CLEAR_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    PEER_PID_FIELD_NUMBER: _ClassVar[int]
    PEER_SESSION_ULID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    TTL_SECONDS_FIELD_NUMBER: _ClassVar[int]
    clear: bool
    client_id: str
    detail: MetricDetail
    peer_pid: int
    peer_session_ulid: str
    reason: str
    ttl_seconds: int
    def __init__(self, client_id: _Optional[str] = ..., detail: _Optional[_Union[MetricDetail, str]] = ..., ttl_seconds: _Optional[int] = ..., clear: bool = ..., reason: _Optional[str] = ..., peer_pid: _Optional[int] = ..., peer_session_ulid: _Optional[str] = ...) -> None: ...

class SocketAddress(_message.Message):
    __slots__ = ["ip", "other", "port"]
    IP_FIELD_NUMBER: _ClassVar[int]
    OTHER_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    ip: IpAddress
    other: str
    port: int
    def __init__(self, ip: _Optional[_Union[IpAddress, _Mapping]] = ..., port: _Optional[int] = ..., other: _Optional[str] = ...) -> None: ...

class SoftStop(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class Status(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class SubscribeEvents(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class TcpEndpoint(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class TcpListenerConfig(_message.Message):
    __slots__ = ["active", "address", "back_timeout", "connect_timeout", "expect_proxy", "front_timeout", "public_address"]
    ACTIVE_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    BACK_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    CONNECT_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    EXPECT_PROXY_FIELD_NUMBER: _ClassVar[int]
    FRONT_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    PUBLIC_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    active: bool
    address: SocketAddress
    back_timeout: int
    connect_timeout: int
    expect_proxy: bool
    front_timeout: int
    public_address: SocketAddress
    def __init__(self, address: _Optional[_Union[SocketAddress, _Mapping]] = ..., public_address: _Optional[_Union[SocketAddress, _Mapping]] = ..., expect_proxy: bool = ..., front_timeout: _Optional[int] = ..., back_timeout: _Optional[int] = ..., connect_timeout: _Optional[int] = ..., active: bool = ...) -> None: ...

class UdpClusterConfig(_message.Message):
    __slots__ = ["affinity_key", "health", "proxy_protocol_every_datagram", "requests", "responses", "send_proxy_protocol"]
    AFFINITY_KEY_FIELD_NUMBER: _ClassVar[int]
    HEALTH_FIELD_NUMBER: _ClassVar[int]
    PROXY_PROTOCOL_EVERY_DATAGRAM_FIELD_NUMBER: _ClassVar[int]
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    RESPONSES_FIELD_NUMBER: _ClassVar[int]
    SEND_PROXY_PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    affinity_key: UdpAffinityKey
    health: UdpHealthConfig
    proxy_protocol_every_datagram: bool
    requests: int
    responses: int
    send_proxy_protocol: bool
    def __init__(self, affinity_key: _Optional[_Union[UdpAffinityKey, str]] = ..., responses: _Optional[int] = ..., requests: _Optional[int] = ..., send_proxy_protocol: bool = ..., proxy_protocol_every_datagram: bool = ..., health: _Optional[_Union[UdpHealthConfig, _Mapping]] = ...) -> None: ...

class UdpHealthConfig(_message.Message):
    __slots__ = ["fail_open", "fall", "mode", "probe_interval_seconds", "probe_timeout_seconds", "rise", "tcp_port", "udp_probe_payload"]
    FAIL_OPEN_FIELD_NUMBER: _ClassVar[int]
    FALL_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    PROBE_INTERVAL_SECONDS_FIELD_NUMBER: _ClassVar[int]
    PROBE_TIMEOUT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    RISE_FIELD_NUMBER: _ClassVar[int]
    TCP_PORT_FIELD_NUMBER: _ClassVar[int]
    UDP_PROBE_PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    fail_open: bool
    fall: int
    mode: UdpHealthMode
    probe_interval_seconds: int
    probe_timeout_seconds: int
    rise: int
    tcp_port: int
    udp_probe_payload: bytes
    def __init__(self, mode: _Optional[_Union[UdpHealthMode, str]] = ..., tcp_port: _Optional[int] = ..., rise: _Optional[int] = ..., fall: _Optional[int] = ..., fail_open: bool = ..., udp_probe_payload: _Optional[bytes] = ..., probe_interval_seconds: _Optional[int] = ..., probe_timeout_seconds: _Optional[int] = ...) -> None: ...

class UdpListenerConfig(_message.Message):
    __slots__ = ["active", "address", "back_timeout", "front_timeout", "max_flows", "max_rx_datagram_size", "public_address"]
    ACTIVE_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    BACK_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    FRONT_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    MAX_FLOWS_FIELD_NUMBER: _ClassVar[int]
    MAX_RX_DATAGRAM_SIZE_FIELD_NUMBER: _ClassVar[int]
    PUBLIC_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    active: bool
    address: SocketAddress
    back_timeout: int
    front_timeout: int
    max_flows: int
    max_rx_datagram_size: int
    public_address: SocketAddress
    def __init__(self, address: _Optional[_Union[SocketAddress, _Mapping]] = ..., public_address: _Optional[_Union[SocketAddress, _Mapping]] = ..., front_timeout: _Optional[int] = ..., back_timeout: _Optional[int] = ..., max_rx_datagram_size: _Optional[int] = ..., max_flows: _Optional[int] = ..., active: bool = ...) -> None: ...

class Uint128(_message.Message):
    __slots__ = ["high", "low"]
    HIGH_FIELD_NUMBER: _ClassVar[int]
    LOW_FIELD_NUMBER: _ClassVar[int]
    high: int
    low: int
    def __init__(self, low: _Optional[int] = ..., high: _Optional[int] = ...) -> None: ...

class UpdateHttpListenerConfig(_message.Message):
    __slots__ = ["address", "answers", "back_timeout", "connect_timeout", "elide_x_real_ip", "expect_proxy", "extras", "front_timeout", "h2_graceful_shutdown_deadline_seconds", "h2_initial_connection_window", "h2_max_concurrent_streams", "h2_max_continuation_frames", "h2_max_empty_data_per_window", "h2_max_glitch_count", "h2_max_header_fields", "h2_max_header_list_size", "h2_max_header_table_size", "h2_max_ping_per_window", "h2_max_rst_stream_abusive_lifetime", "h2_max_rst_stream_emitted_lifetime", "h2_max_rst_stream_lifetime", "h2_max_rst_stream_per_window", "h2_max_settings_per_window", "h2_max_window_update_stream0_per_window", "h2_stream_idle_timeout_seconds", "h2_stream_shrink_ratio", "http_answers", "public_address", "request_timeout", "send_x_real_ip", "sozu_id_header", "sticky_name"]
    class AnswersEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    BACK_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    CONNECT_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    ELIDE_X_REAL_IP_FIELD_NUMBER: _ClassVar[int]
    EXPECT_PROXY_FIELD_NUMBER: _ClassVar[int]
    EXTRAS_FIELD_NUMBER: _ClassVar[int]
    FRONT_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    H2_GRACEFUL_SHUTDOWN_DEADLINE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    H2_INITIAL_CONNECTION_WINDOW_FIELD_NUMBER: _ClassVar[int]
    H2_MAX_CONCURRENT_STREAMS_FIELD_NUMBER: _ClassVar[int]
    H2_MAX_CONTINUATION_FRAMES_FIELD_NUMBER: _ClassVar[int]
    H2_MAX_EMPTY_DATA_PER_WINDOW_FIELD_NUMBER: _ClassVar[int]
    H2_MAX_GLITCH_COUNT_FIELD_NUMBER: _ClassVar[int]
    H2_MAX_HEADER_FIELDS_FIELD_NUMBER: _ClassVar[int]
    H2_MAX_HEADER_LIST_SIZE_FIELD_NUMBER: _ClassVar[int]
    H2_MAX_HEADER_TABLE_SIZE_FIELD_NUMBER: _ClassVar[int]
    H2_MAX_PING_PER_WINDOW_FIELD_NUMBER: _ClassVar[int]
    H2_MAX_RST_STREAM_ABUSIVE_LIFETIME_FIELD_NUMBER: _ClassVar[int]
    H2_MAX_RST_STREAM_EMITTED_LIFETIME_FIELD_NUMBER: _ClassVar[int]
    H2_MAX_RST_STREAM_LIFETIME_FIELD_NUMBER: _ClassVar[int]
    H2_MAX_RST_STREAM_PER_WINDOW_FIELD_NUMBER: _ClassVar[int]
    H2_MAX_SETTINGS_PER_WINDOW_FIELD_NUMBER: _ClassVar[int]
    H2_MAX_WINDOW_UPDATE_STREAM0_PER_WINDOW_FIELD_NUMBER: _ClassVar[int]
    H2_STREAM_IDLE_TIMEOUT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    H2_STREAM_SHRINK_RATIO_FIELD_NUMBER: _ClassVar[int]
    HTTP_ANSWERS_FIELD_NUMBER: _ClassVar[int]
    PUBLIC_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    SEND_X_REAL_IP_FIELD_NUMBER: _ClassVar[int]
    SOZU_ID_HEADER_FIELD_NUMBER: _ClassVar[int]
    STICKY_NAME_FIELD_NUMBER: _ClassVar[int]
    address: SocketAddress
    answers: _containers.ScalarMap[str, str]
    back_timeout: int
    connect_timeout: int
    elide_x_real_ip: bool
    expect_proxy: bool
    extras: ListenerExtras
    front_timeout: int
    h2_graceful_shutdown_deadline_seconds: int
    h2_initial_connection_window: int
    h2_max_concurrent_streams: int
    h2_max_continuation_frames: int
    h2_max_empty_data_per_window: int
    h2_max_glitch_count: int
    h2_max_header_fields: int
    h2_max_header_list_size: int
    h2_max_header_table_size: int
    h2_max_ping_per_window: int
    h2_max_rst_stream_abusive_lifetime: int
    h2_max_rst_stream_emitted_lifetime: int
    h2_max_rst_stream_lifetime: int
    h2_max_rst_stream_per_window: int
    h2_max_settings_per_window: int
    h2_max_window_update_stream0_per_window: int
    h2_stream_idle_timeout_seconds: int
    h2_stream_shrink_ratio: int
    http_answers: CustomHttpAnswers
    public_address: SocketAddress
    request_timeout: int
    send_x_real_ip: bool
    sozu_id_header: str
    sticky_name: str
    def __init__(self, address: _Optional[_Union[SocketAddress, _Mapping]] = ..., public_address: _Optional[_Union[SocketAddress, _Mapping]] = ..., expect_proxy: bool = ..., sticky_name: _Optional[str] = ..., front_timeout: _Optional[int] = ..., back_timeout: _Optional[int] = ..., connect_timeout: _Optional[int] = ..., request_timeout: _Optional[int] = ..., http_answers: _Optional[_Union[CustomHttpAnswers, _Mapping]] = ..., h2_max_rst_stream_per_window: _Optional[int] = ..., h2_max_ping_per_window: _Optional[int] = ..., h2_max_settings_per_window: _Optional[int] = ..., h2_max_empty_data_per_window: _Optional[int] = ..., h2_max_continuation_frames: _Optional[int] = ..., h2_max_glitch_count: _Optional[int] = ..., h2_initial_connection_window: _Optional[int] = ..., h2_max_concurrent_streams: _Optional[int] = ..., h2_stream_shrink_ratio: _Optional[int] = ..., h2_max_rst_stream_lifetime: _Optional[int] = ..., h2_max_rst_stream_abusive_lifetime: _Optional[int] = ..., h2_max_rst_stream_emitted_lifetime: _Optional[int] = ..., h2_max_header_list_size: _Optional[int] = ..., h2_max_header_table_size: _Optional[int] = ..., h2_stream_idle_timeout_seconds: _Optional[int] = ..., h2_graceful_shutdown_deadline_seconds: _Optional[int] = ..., h2_max_window_update_stream0_per_window: _Optional[int] = ..., sozu_id_header: _Optional[str] = ..., answers: _Optional[_Mapping[str, str]] = ..., elide_x_real_ip: bool = ..., send_x_real_ip: bool = ..., h2_max_header_fields: _Optional[int] = ..., extras: _Optional[_Union[ListenerExtras, _Mapping]] = ...) -> None: ...

class UpdateHttpsListenerConfig(_message.Message):
    __slots__ = ["address", "alpn_protocols", "answers", "back_timeout", "connect_timeout", "disable_http11", "elide_x_real_ip", "expect_proxy", "extras", "front_timeout", "h2_graceful_shutdown_deadline_seconds", "h2_initial_connection_window", "h2_max_concurrent_streams", "h2_max_continuation_frames", "h2_max_empty_data_per_window", "h2_max_glitch_count", "h2_max_header_fields", "h2_max_header_list_size", "h2_max_header_table_size", "h2_max_ping_per_window", "h2_max_rst_stream_abusive_lifetime", "h2_max_rst_stream_emitted_lifetime", "h2_max_rst_stream_lifetime", "h2_max_rst_stream_per_window", "h2_max_settings_per_window", "h2_max_window_update_stream0_per_window", "h2_stream_idle_timeout_seconds", "h2_stream_shrink_ratio", "hsts", "http_answers", "public_address", "request_timeout", "send_x_real_ip", "sozu_id_header", "sticky_name", "strict_sni_binding"]
    class AnswersEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    ALPN_PROTOCOLS_FIELD_NUMBER: _ClassVar[int]
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    BACK_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    CONNECT_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    DISABLE_HTTP11_FIELD_NUMBER: _ClassVar[int]
    ELIDE_X_REAL_IP_FIELD_NUMBER: _ClassVar[int]
    EXPECT_PROXY_FIELD_NUMBER: _ClassVar[int]
    EXTRAS_FIELD_NUMBER: _ClassVar[int]
    FRONT_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    H2_GRACEFUL_SHUTDOWN_DEADLINE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    H2_INITIAL_CONNECTION_WINDOW_FIELD_NUMBER: _ClassVar[int]
    H2_MAX_CONCURRENT_STREAMS_FIELD_NUMBER: _ClassVar[int]
    H2_MAX_CONTINUATION_FRAMES_FIELD_NUMBER: _ClassVar[int]
    H2_MAX_EMPTY_DATA_PER_WINDOW_FIELD_NUMBER: _ClassVar[int]
    H2_MAX_GLITCH_COUNT_FIELD_NUMBER: _ClassVar[int]
    H2_MAX_HEADER_FIELDS_FIELD_NUMBER: _ClassVar[int]
    H2_MAX_HEADER_LIST_SIZE_FIELD_NUMBER: _ClassVar[int]
    H2_MAX_HEADER_TABLE_SIZE_FIELD_NUMBER: _ClassVar[int]
    H2_MAX_PING_PER_WINDOW_FIELD_NUMBER: _ClassVar[int]
    H2_MAX_RST_STREAM_ABUSIVE_LIFETIME_FIELD_NUMBER: _ClassVar[int]
    H2_MAX_RST_STREAM_EMITTED_LIFETIME_FIELD_NUMBER: _ClassVar[int]
    H2_MAX_RST_STREAM_LIFETIME_FIELD_NUMBER: _ClassVar[int]
    H2_MAX_RST_STREAM_PER_WINDOW_FIELD_NUMBER: _ClassVar[int]
    H2_MAX_SETTINGS_PER_WINDOW_FIELD_NUMBER: _ClassVar[int]
    H2_MAX_WINDOW_UPDATE_STREAM0_PER_WINDOW_FIELD_NUMBER: _ClassVar[int]
    H2_STREAM_IDLE_TIMEOUT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    H2_STREAM_SHRINK_RATIO_FIELD_NUMBER: _ClassVar[int]
    HSTS_FIELD_NUMBER: _ClassVar[int]
    HTTP_ANSWERS_FIELD_NUMBER: _ClassVar[int]
    PUBLIC_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    SEND_X_REAL_IP_FIELD_NUMBER: _ClassVar[int]
    SOZU_ID_HEADER_FIELD_NUMBER: _ClassVar[int]
    STICKY_NAME_FIELD_NUMBER: _ClassVar[int]
    STRICT_SNI_BINDING_FIELD_NUMBER: _ClassVar[int]
    address: SocketAddress
    alpn_protocols: AlpnProtocols
    answers: _containers.ScalarMap[str, str]
    back_timeout: int
    connect_timeout: int
    disable_http11: bool
    elide_x_real_ip: bool
    expect_proxy: bool
    extras: ListenerExtras
    front_timeout: int
    h2_graceful_shutdown_deadline_seconds: int
    h2_initial_connection_window: int
    h2_max_concurrent_streams: int
    h2_max_continuation_frames: int
    h2_max_empty_data_per_window: int
    h2_max_glitch_count: int
    h2_max_header_fields: int
    h2_max_header_list_size: int
    h2_max_header_table_size: int
    h2_max_ping_per_window: int
    h2_max_rst_stream_abusive_lifetime: int
    h2_max_rst_stream_emitted_lifetime: int
    h2_max_rst_stream_lifetime: int
    h2_max_rst_stream_per_window: int
    h2_max_settings_per_window: int
    h2_max_window_update_stream0_per_window: int
    h2_stream_idle_timeout_seconds: int
    h2_stream_shrink_ratio: int
    hsts: HstsConfig
    http_answers: CustomHttpAnswers
    public_address: SocketAddress
    request_timeout: int
    send_x_real_ip: bool
    sozu_id_header: str
    sticky_name: str
    strict_sni_binding: bool
    def __init__(self, address: _Optional[_Union[SocketAddress, _Mapping]] = ..., public_address: _Optional[_Union[SocketAddress, _Mapping]] = ..., expect_proxy: bool = ..., sticky_name: _Optional[str] = ..., front_timeout: _Optional[int] = ..., back_timeout: _Optional[int] = ..., connect_timeout: _Optional[int] = ..., request_timeout: _Optional[int] = ..., http_answers: _Optional[_Union[CustomHttpAnswers, _Mapping]] = ..., alpn_protocols: _Optional[_Union[AlpnProtocols, _Mapping]] = ..., strict_sni_binding: bool = ..., disable_http11: bool = ..., h2_max_rst_stream_per_window: _Optional[int] = ..., h2_max_ping_per_window: _Optional[int] = ..., h2_max_settings_per_window: _Optional[int] = ..., h2_max_empty_data_per_window: _Optional[int] = ..., h2_max_continuation_frames: _Optional[int] = ..., h2_max_glitch_count: _Optional[int] = ..., h2_initial_connection_window: _Optional[int] = ..., h2_max_concurrent_streams: _Optional[int] = ..., h2_stream_shrink_ratio: _Optional[int] = ..., h2_max_rst_stream_lifetime: _Optional[int] = ..., h2_max_rst_stream_abusive_lifetime: _Optional[int] = ..., h2_max_rst_stream_emitted_lifetime: _Optional[int] = ..., h2_max_header_list_size: _Optional[int] = ..., h2_max_header_table_size: _Optional[int] = ..., h2_stream_idle_timeout_seconds: _Optional[int] = ..., h2_graceful_shutdown_deadline_seconds: _Optional[int] = ..., h2_max_window_update_stream0_per_window: _Optional[int] = ..., sozu_id_header: _Optional[str] = ..., answers: _Optional[_Mapping[str, str]] = ..., elide_x_real_ip: bool = ..., send_x_real_ip: bool = ..., hsts: _Optional[_Union[HstsConfig, _Mapping]] = ..., h2_max_header_fields: _Optional[int] = ..., extras: _Optional[_Union[ListenerExtras, _Mapping]] = ...) -> None: ...

class UpdateTcpListenerConfig(_message.Message):
    __slots__ = ["address", "back_timeout", "connect_timeout", "expect_proxy", "front_timeout", "public_address"]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    BACK_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    CONNECT_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    EXPECT_PROXY_FIELD_NUMBER: _ClassVar[int]
    FRONT_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    PUBLIC_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    address: SocketAddress
    back_timeout: int
    connect_timeout: int
    expect_proxy: bool
    front_timeout: int
    public_address: SocketAddress
    def __init__(self, address: _Optional[_Union[SocketAddress, _Mapping]] = ..., public_address: _Optional[_Union[SocketAddress, _Mapping]] = ..., expect_proxy: bool = ..., front_timeout: _Optional[int] = ..., back_timeout: _Optional[int] = ..., connect_timeout: _Optional[int] = ...) -> None: ...

class UpdateUdpListenerConfig(_message.Message):
    __slots__ = ["address", "back_timeout", "front_timeout", "max_flows", "max_rx_datagram_size", "public_address"]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    BACK_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    FRONT_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    MAX_FLOWS_FIELD_NUMBER: _ClassVar[int]
    MAX_RX_DATAGRAM_SIZE_FIELD_NUMBER: _ClassVar[int]
    PUBLIC_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    address: SocketAddress
    back_timeout: int
    front_timeout: int
    max_flows: int
    max_rx_datagram_size: int
    public_address: SocketAddress
    def __init__(self, address: _Optional[_Union[SocketAddress, _Mapping]] = ..., public_address: _Optional[_Union[SocketAddress, _Mapping]] = ..., front_timeout: _Optional[int] = ..., back_timeout: _Optional[int] = ..., max_rx_datagram_size: _Optional[int] = ..., max_flows: _Optional[int] = ...) -> None: ...

class UpgradeMain(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class WorkerInfo(_message.Message):
    __slots__ = ["drain", "id", "pid", "run_state"]
    DRAIN_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    RUN_STATE_FIELD_NUMBER: _ClassVar[int]
    drain: DrainState
    id: int
    pid: int
    run_state: RunState
    def __init__(self, id: _Optional[int] = ..., pid: _Optional[int] = ..., run_state: _Optional[_Union[RunState, str]] = ..., drain: _Optional[_Union[DrainState, _Mapping]] = ...) -> None: ...

class WorkerInfos(_message.Message):
    __slots__ = ["vec"]
    VEC_FIELD_NUMBER: _ClassVar[int]
    vec: _containers.RepeatedCompositeFieldContainer[WorkerInfo]
    def __init__(self, vec: _Optional[_Iterable[_Union[WorkerInfo, _Mapping]]] = ...) -> None: ...

class WorkerMetricDetailStatus(_message.Message):
    __slots__ = ["active_lease_count", "configured", "effective", "previous_effective"]
    ACTIVE_LEASE_COUNT_FIELD_NUMBER: _ClassVar[int]
    CONFIGURED_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_EFFECTIVE_FIELD_NUMBER: _ClassVar[int]
    active_lease_count: int
    configured: MetricDetail
    effective: MetricDetail
    previous_effective: MetricDetail
    def __init__(self, configured: _Optional[_Union[MetricDetail, str]] = ..., effective: _Optional[_Union[MetricDetail, str]] = ..., previous_effective: _Optional[_Union[MetricDetail, str]] = ..., active_lease_count: _Optional[int] = ...) -> None: ...

class WorkerMetrics(_message.Message):
    __slots__ = ["clusters", "proxy"]
    class ClustersEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: ClusterMetrics
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[ClusterMetrics, _Mapping]] = ...) -> None: ...
    class ProxyEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: FilteredMetrics
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[FilteredMetrics, _Mapping]] = ...) -> None: ...
    CLUSTERS_FIELD_NUMBER: _ClassVar[int]
    PROXY_FIELD_NUMBER: _ClassVar[int]
    clusters: _containers.MessageMap[str, ClusterMetrics]
    proxy: _containers.MessageMap[str, FilteredMetrics]
    def __init__(self, proxy: _Optional[_Mapping[str, FilteredMetrics]] = ..., clusters: _Optional[_Mapping[str, ClusterMetrics]] = ...) -> None: ...

class WorkerRequest(_message.Message):
    __slots__ = ["content", "id"]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    content: Request
    id: str
    def __init__(self, id: _Optional[str] = ..., content: _Optional[_Union[Request, _Mapping]] = ...) -> None: ...

class WorkerResponse(_message.Message):
    __slots__ = ["content", "id", "message", "status"]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    content: ResponseContent
    id: str
    message: str
    status: ResponseStatus
    def __init__(self, id: _Optional[str] = ..., status: _Optional[_Union[ResponseStatus, str]] = ..., message: _Optional[str] = ..., content: _Optional[_Union[ResponseContent, _Mapping]] = ...) -> None: ...

class WorkerResponses(_message.Message):
    __slots__ = ["map"]
    class MapEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: ResponseContent
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[ResponseContent, _Mapping]] = ...) -> None: ...
    MAP_FIELD_NUMBER: _ClassVar[int]
    map: _containers.MessageMap[str, ResponseContent]
    def __init__(self, map: _Optional[_Mapping[str, ResponseContent]] = ...) -> None: ...

class ListenerType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class RedirectPolicy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class RedirectScheme(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class HeaderPosition(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class PathRuleKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class RulePosition(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class TlsVersion(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class UdpAffinityKey(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class UdpHealthMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class LoadBalancingAlgorithms(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class ProxyProtocolConfig(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class LoadMetric(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class MetricsConfiguration(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class EventKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class ResponseStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class RunState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class MetricDetail(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class ProtobufAccessLogFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []
