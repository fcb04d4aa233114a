// Types of the client library, for programs in TypeScript. Pages load it by a script element and
// use the global `io`; bundlers import it. What is not declared here is the library's own and may
// change.

/** Sockets of one server share a connection, unless they are for the same namespace. */
declare function io<Listen = io.AnyEvents, Emit = Listen>(
  options?: io.Options
): io.Socket<Listen, Emit>;
/**
 * @param url `https://chat.example/namespace?query`: of each part the page's own if it is missing,
 * the namespace `/`.
 */
declare function io<Listen = io.AnyEvents, Emit = Listen>(
  url: string | undefined,
  options?: io.Options
): io.Socket<Listen, Emit>;

declare namespace io {
  /** The same as `io`. */
  const connect: typeof io;

  /** The version of the Socket.IO protocol. */
  const protocol: 5;

  /** The transports that the server allowed when the page loaded, preferred first. */
  const policy: Transport[];

  /** The path of Socket.IO below that of the server's pages: `/socket.io/`, unless it is set otherwise. */
  const path: string;

  /** Whether this browser can use that transport to the page's own server. */
  function can(transport: Transport): boolean;

  type Transport = 'websocket' | 'eventsource' | 'htmlfile' | 'xhr-polling' | 'jsonp-polling';

  interface Options {
    /** The server's path. Default: `/socket.io` */
    path?: string;
    /** Added to each URL. */
    query?: string | { [name: string]: string | number | boolean };
    /** Sent to the server with the request for the namespace; a function passes it to `done`. */
    auth?: object | ((done: (data?: object) => void) => void);
    /** Of the transports that the server allows, only these. `polling` is both kinds of it. */
    transports?: (Transport | 'polling')[];
    /** Whether a session moves to a better transport. Default: true */
    upgrade?: boolean;
    /** Whether the socket connects by itself. Default: true */
    autoConnect?: boolean;
    /** A connection of its own, even if there is one to that server. Default: false */
    forceNew?: boolean;
    /** The same, as 0.9 calls it. */
    'force new connection'?: boolean;
    /** false is the same as `forceNew`. */
    multiplex?: boolean;
    /** Whether what is lost is connected again. Default: true */
    reconnection?: boolean;
    /** Attempts before it gives up. Default: Infinity */
    reconnectionAttempts?: number;
    /** ms before the first attempt; doubled with each. Default: 1000 */
    reconnectionDelay?: number;
    /** The longest of these delays, in ms. Default: 5000 */
    reconnectionDelayMax?: number;
    /** How much delays vary: 0.5 is half to one and a half of it. Default: 0.5 */
    randomizationFactor?: number;
    /** ms for each request until the session is open, and for each POST. Default: 20000 */
    timeout?: number;
    /** Whether cookies go to a server elsewhere. Default: false */
    withCredentials?: boolean;
  }

  /** Events by name, each with the type of its listener. */
  interface AnyEvents {
    [name: string]: (...args: any[]) => void;
  }

  interface Emitter<Events> {
    on<Name extends keyof Events & string>(name: Name, listener: Events[Name]): this;
    once<Name extends keyof Events & string>(name: Name, listener: Events[Name]): this;
    /** Without a listener: all of that name. Without a name: all. */
    off<Name extends keyof Events & string>(name?: Name, listener?: Events[Name]): this;
    removeListener<Name extends keyof Events & string>(name?: Name, listener?: Events[Name]): this;
    removeAllListeners<Name extends keyof Events & string>(name?: Name): this;
    listeners<Name extends keyof Events & string>(name: Name): Events[Name][];
  }

  /** Of the same name in both, that of the first. */
  type Merge<First, Second> = First & Omit<Second, keyof First>;

  /** Use of one namespace. `Listen` and `Emit` are the application's events. */
  interface Socket<Listen = AnyEvents, Emit = Listen> extends Emitter<Merge<SocketEvents, Listen>> {
    readonly io: Manager;
    readonly nsp: string;
    /** The server's name for this socket, while it is connected. */
    readonly id?: string;
    readonly connected: boolean;
    readonly disconnected: boolean;
    /** Whether it connects, or connects again, by itself. */
    readonly active: boolean;
    auth?: Options['auth'];

    connect(): this;
    open(): this;
    disconnect(): this;
    close(): this;

    /**
     * A function as the last argument is called with the server's acknowledgement. What is said
     * while there is no connection is sent when there is one.
     */
    emit<Name extends keyof Emit & string>(name: Name, ...args: Arguments<Emit[Name]>): this;
    /** Emits `message`. */
    send(...args: any[]): this;
    /**
     * The acknowledgement of the next `emit` is waited for so many ms. Its function gets an error
     * first: `null` in time.
     */
    timeout(ms: number): Socket<Listen, AnyEvents>;
  }

  type Arguments<Listener> = Listener extends (...args: infer Args) => any ? Args : never;

  interface ConnectionEvents {
    connect_error: (error: ClientError) => void;
    /** Connected again, after so many attempts. */
    reconnect: (attempts: number) => void;
    reconnect_attempt: (attempt: number) => void;
    reconnecting: (attempt: number) => void;
    reconnect_error: (error: ClientError) => void;
    /** There were `reconnectionAttempts` of them. */
    reconnect_failed: () => void;
  }

  interface SocketEvents extends ConnectionEvents {
    connect: () => void;
    /** With details, the connection was lost. */
    disconnect: (reason: DisconnectReason, details?: DisconnectDetails) => void;
  }

  interface ManagerEvents extends ConnectionEvents {
    open: () => void;
    close: (reason: DisconnectReason, error: ClientError) => void;
    /** The next attempt is made at that time, in ms since 1970. */
    waiting: (at: number) => void;
    timeline: (entry: TimelineEntry) => void;
  }

  interface DisconnectDetails {
    description: string;
    code: ErrorCode;
  }

  type DisconnectReason =
    | 'io server disconnect'
    | 'io client disconnect'
    | 'ping timeout'
    | 'parse error'
    | 'transport close';

  /** The connection to one server, which sockets share. */
  interface Manager extends Emitter<ManagerEvents> {
    readonly opts: Readonly<Options>;
    readonly readyState: 'closed' | 'opening' | 'open';
    /** The session, or an attempt at one. */
    readonly engine?: Engine | null;
    /** The transports that the server allows, as far as it has told. */
    readonly policy: Transport[];
    /** When the next attempt is made, in ms since 1970; 0 if there is none. */
    readonly nextAt: number;
    /** When it was made, in ms since 1970. */
    readonly born: number;

    connect(): this;
    open(): this;
    close(): void;

    /** The socket of a namespace, which is made if it is not there. It does not connect by itself. */
    socket(namespace: string): Socket;

    /** The latest 200 steps that it took. */
    timeline(): TimelineEntry[];
    /** `until` is when that transport leaves quarantine, in ms since 1970. */
    record(transport: Transport): { readonly until: number };
  }

  interface TimelineEntry {
    /** ms after the manager was made. */
    at: number;
    transport: Transport | 'polling';
    step:
      | 'policy' | 'support' | 'open' | 'send' | 'close' | 'quarantine'
      | 'probe' | 'probe-pong' | 'leave' | 'upgrade';
    /** How long the step took; 0 for what takes no time. */
    ms: number;
    outcome: 'ok' | 'failed' | 'refused' | 'unsupported' | 'quarantined';
    code: 'ok' | ErrorCode;
    /** In English; empty if it went well. */
    reason: string;
  }

  interface EngineEvents {
    upgrade: (transport: EngineTransport) => void;
    upgradeError: (error: ClientError) => void;
    close: (code: ErrorCode, error: ClientError) => void;
  }

  /** An Engine.IO session. */
  interface Engine extends Emitter<EngineEvents> {
    /** Empty until it is open. */
    readonly id: string;
    readonly readyState: 'opening' | 'open' | 'closed';
    readonly transport: EngineTransport;
    /** Set while an upgrade is tried. */
    readonly probing?: unknown;
  }

  interface EngineTransport {
    /** As the protocol calls it. */
    readonly name: 'websocket' | 'eventsource' | 'htmlfile' | 'polling';
    /** As the settings call it. */
    readonly form: Transport;
  }

  interface ClientError extends Error {
    code: ErrorCode;
    /** Of the answer, if there was one. */
    status?: number;
    /** The transports that the server allows instead. */
    allowed?: Transport[];
    /** Of a namespace that the application refused: what it said. */
    data?: any;
  }

  type ErrorCode =
    /** Something else answers than this server. */
    | 'garbled'
    | 'timeout'
    /** Connected, but nothing comes through. */
    | 'silent'
    /** Broken off. */
    | 'cut'
    /** Ended in good order. */
    | 'closed'
    /** The server fell silent. */
    | 'ping'
    | 'unreachable'
    | 'unsupported'
    /** The server does not allow that transport. */
    | 'refused'
    /** The server does not know the session any more. */
    | 'expired'
    /** The server does not want this client. */
    | 'forbidden'
    | 'quarantined'
    /** Another error, with its status. */
    | 'http';
}

export = io;
export as namespace io;
