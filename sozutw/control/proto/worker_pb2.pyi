from sozutw.control.proto import command_pb2 as _command_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Answer(_message.Message):
    __slots__ = ["id", "response"]
    ID_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    id: int
    response: _command_pb2.Response
    def __init__(self, id: _Optional[int] = ..., response: _Optional[_Union[_command_pb2.Response, _Mapping]] = ...) -> None: ...

class Applied(_message.Message):
    __slots__ = ["error", "number"]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    error: str
    number: int
    def __init__(self, number: _Optional[int] = ..., error: _Optional[str] = ...) -> None: ...

class Beginning(_message.Message):
    __slots__ = ["generation", "id", "listeners", "processor", "settings", "survives_main", "version"]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    LISTENERS_FIELD_NUMBER: _ClassVar[int]
    PROCESSOR_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    SURVIVES_MAIN_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    generation: int
    id: int
    listeners: int
    processor: int
    settings: str
    survives_main: bool
    version: int
    def __init__(self, version: _Optional[int] = ..., id: _Optional[int] = ..., generation: _Optional[int] = ..., settings: _Optional[str] = ..., processor: _Optional[int] = ..., survives_main: bool = ..., listeners: _Optional[int] = ...) -> None: ...

class Begun(_message.Message):
    __slots__ = ["pid", "version"]
    PID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    pid: int
    version: int
    def __init__(self, version: _Optional[int] = ..., pid: _Optional[int] = ...) -> None: ...

class Blank(_message.Message):
    __slots__ = ["address", "number"]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    address: _command_pb2.SocketAddress
    number: int
    def __init__(self, address: _Optional[_Union[_command_pb2.SocketAddress, _Mapping]] = ..., number: _Optional[int] = ...) -> None: ...

class Counters(_message.Message):
    __slots__ = ["id", "piece"]
    ID_FIELD_NUMBER: _ClassVar[int]
    PIECE_FIELD_NUMBER: _ClassVar[int]
    id: int
    piece: bytes
    def __init__(self, id: _Optional[int] = ..., piece: _Optional[bytes] = ...) -> None: ...

class FromWorker(_message.Message):
    __slots__ = ["answer", "applied", "begun", "counters", "event", "pong"]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    APPLIED_FIELD_NUMBER: _ClassVar[int]
    BEGUN_FIELD_NUMBER: _ClassVar[int]
    COUNTERS_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    PONG_FIELD_NUMBER: _ClassVar[int]
    answer: Answer
    applied: Applied
    begun: Begun
    counters: Counters
    event: _command_pb2.Event
    pong: Pong
    def __init__(self, begun: _Optional[_Union[Begun, _Mapping]] = ..., applied: _Optional[_Union[Applied, _Mapping]] = ..., answer: _Optional[_Union[Answer, _Mapping]] = ..., event: _Optional[_Union[_command_pb2.Event, _Mapping]] = ..., pong: _Optional[_Union[Pong, _Mapping]] = ..., counters: _Optional[_Union[Counters, _Mapping]] = ...) -> None: ...

class Orders(_message.Message):
    __slots__ = ["blanks", "is_last", "number", "orders", "sockets"]
    BLANKS_FIELD_NUMBER: _ClassVar[int]
    IS_LAST_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    ORDERS_FIELD_NUMBER: _ClassVar[int]
    SOCKETS_FIELD_NUMBER: _ClassVar[int]
    blanks: _containers.RepeatedCompositeFieldContainer[Blank]
    is_last: bool
    number: int
    orders: _containers.RepeatedCompositeFieldContainer[_command_pb2.Request]
    sockets: _containers.RepeatedCompositeFieldContainer[_command_pb2.SocketAddress]
    def __init__(self, number: _Optional[int] = ..., orders: _Optional[_Iterable[_Union[_command_pb2.Request, _Mapping]]] = ..., sockets: _Optional[_Iterable[_Union[_command_pb2.SocketAddress, _Mapping]]] = ..., blanks: _Optional[_Iterable[_Union[Blank, _Mapping]]] = ..., is_last: bool = ...) -> None: ...

class Pong(_message.Message):
    __slots__ = ["sessions"]
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    sessions: int
    def __init__(self, sessions: _Optional[int] = ...) -> None: ...

class Question(_message.Message):
    __slots__ = ["content", "id"]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    content: _command_pb2.Request
    id: int
    def __init__(self, id: _Optional[int] = ..., content: _Optional[_Union[_command_pb2.Request, _Mapping]] = ...) -> None: ...

class Stopping(_message.Message):
    __slots__ = ["is_hard", "seconds"]
    IS_HARD_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    is_hard: bool
    seconds: float
    def __init__(self, is_hard: bool = ..., seconds: _Optional[float] = ...) -> None: ...

class ToWorker(_message.Message):
    __slots__ = ["beginning", "clear", "counters", "orders", "ping", "question", "reopen_logs", "serve", "settings", "stop"]
    BEGINNING_FIELD_NUMBER: _ClassVar[int]
    CLEAR_FIELD_NUMBER: _ClassVar[int]
    COUNTERS_FIELD_NUMBER: _ClassVar[int]
    ORDERS_FIELD_NUMBER: _ClassVar[int]
    PING_FIELD_NUMBER: _ClassVar[int]
    QUESTION_FIELD_NUMBER: _ClassVar[int]
    REOPEN_LOGS_FIELD_NUMBER: _ClassVar[int]
    SERVE_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    STOP_FIELD_NUMBER: _ClassVar[int]
    beginning: Beginning
    clear: bool
    counters: int
    orders: Orders
    ping: bool
    question: Question
    reopen_logs: bool
    serve: bool
    settings: str
    stop: Stopping
    def __init__(self, beginning: _Optional[_Union[Beginning, _Mapping]] = ..., orders: _Optional[_Union[Orders, _Mapping]] = ..., question: _Optional[_Union[Question, _Mapping]] = ..., serve: bool = ..., stop: _Optional[_Union[Stopping, _Mapping]] = ..., ping: bool = ..., reopen_logs: bool = ..., settings: _Optional[str] = ..., counters: _Optional[int] = ..., clear: bool = ...) -> None: ...
