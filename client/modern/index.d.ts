// Types of the modern client. What is not declared here is the library's own and may change.

/** Events by name, each with the type of its listener. */
export interface AnyEvents {
  [name: string]: (...args: any[]) => void;
}

type Arguments<Listener> = Listener extends (...args: infer Args) => any ? Args : never;
type Last<Args extends any[]> = Args extends [...any[], infer End] ? End : never;
type AllButLast<Args extends any[]> = Args extends [...infer Start, any] ? Start : never;
/** What an event's acknowledgement carries. */
type Answer<Listener> = Last<Required<Arguments<Listener>>> extends (...args: infer Args) => any ? (Args extends [] ? void : Args[0]) : any;
/** The arguments of an event without its acknowledgement. */
type Sent<Listener> = Last<Required<Arguments<Listener>>> extends (...args: any[]) => any ? AllButLast<Required<Arguments<Listener>>> : Arguments<Listener>;
/** The same event, whose acknowledgement has an error first. */
type WithError<Listener> = Last<Required<Arguments<Listener>>> extends (...args: infer Args) => any
  ? (...args: [...AllButLast<Required<Arguments<Listener>>>, (error: Error | null, ...args: Args) => void]) => void
  : Listener;
type AllWithError<Events> = { [Name in keyof Events]: WithError<Events[Name]> };
/** Of the same name in both, that of the first. */
type Merge<First, Second> = First & Omit<Second, keyof First>;

declare class Emitter<Events> {
  on<Name extends keyof Events & string>(name: Name, listener: Events[Name]): this;
  once<Name extends keyof Events & string>(name: Name, listener: Events[Name]): this;
  /** Without a listener: all of that name. Without a name: all. */
  off<Name extends keyof Events & string>(name?: Name, listener?: Events[Name]): this;
  listeners<Name extends keyof Events & string>(name: Name): Events[Name][];
  hasListeners<Name extends keyof Events & string>(name: Name): boolean;
  addEventListener: this['on'];
  removeListener: this['off'];
  removeEventListener: this['off'];
  removeAllListeners: this['off'];
}

export interface SocketOptions {
  /** Sent with the request for the namespace; a function passes it to `done`. */
  auth?: object | ((done: (data?: object) => void) => void);
  /** How often an event is sent again if it is not acknowledged. Events then go one after the other. Default: 0 */
  retries?: number;
  /** ms that acknowledgements are waited for; their functions get an error first. Default: without end */
  ackTimeout?: number;
}

export type TransportName = 'polling' | 'websocket';

export interface EngineOptions {
  /** The server's path. Default: `/socket.io` */
  path?: string;
  /** Added to each URL. */
  query?: string | { [name: string]: any };
  /** Names, or classes of this module. Default: `['polling', 'websocket']` */
  transports?: (TransportName | TransportClass)[];
  /** Whether a session moves from polling to WebSocket. Default: true */
  upgrade?: boolean;
  /** Whether the next session begins with WebSocket if the last one reached it. Default: false */
  rememberUpgrade?: boolean;
  /** Whether the next transport is tried if the first one fails. Default: false */
  tryAllTransports?: boolean;
  /** Whether the path ends with a slash. Default: true */
  addTrailingSlash?: boolean;
  /** Whether binary is sent and received as base64. Default: false */
  forceBase64?: boolean;
  /** Headers of requests; in browsers, of polling only. */
  extraHeaders?: { [name: string]: string };
  /** Whether cookies go to a server elsewhere; in Node, whether cookies are kept. Default: false */
  withCredentials?: boolean;
  /** Subprotocols to offer for WebSocket. */
  protocols?: string | string[];
  /** Whether requests have a parameter that is new each time. Default: true for polling */
  timestampRequests?: boolean;
  /** The name of that parameter. Default: `t` */
  timestampParam?: string;
  /** Options for one transport only. */
  transportOptions?: { [name in TransportName]?: EngineOptions };
  /** Whether the connection is closed when the page is left. Default: false */
  closeOnBeforeunload?: boolean;
  /** Whether the platform's timers are used although the page has replaced them. Default: false */
  useNativeTimers?: boolean;
  /** In Node: whether the process may end although there is a connection. Default: false */
  autoUnref?: boolean;
  host?: string;
  hostname?: string;
  port?: string | number;
  secure?: boolean;
  /** ms for each request of XMLHttpRequest. Default: 0, without end */
  requestTimeout?: number;
  /** In Node, as for `http`, `https` and `ws`. */
  agent?: any;
  ca?: any;
  cert?: any;
  ciphers?: string;
  key?: any;
  passphrase?: string;
  pfx?: any;
  rejectUnauthorized?: boolean;
  localAddress?: string;
  perMessageDeflate?: any;
}

export interface ManagerOptions extends EngineOptions {
  /** Whether it connects by itself. Default: true */
  autoConnect?: boolean;
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
  /** ms until the session is open; false: without end. Default: 20000 */
  timeout?: number | false;
  /** A module with `Encoder` and `Decoder`. Default: text with attachments */
  parser?: any;
}

export interface Options extends ManagerOptions, SocketOptions {
  /** A connection of its own, even if there is one to that server. Default: false */
  forceNew?: boolean;
  /** The same, as 0.9 calls it. */
  'force new connection'?: boolean;
  /** false is the same as `forceNew`. */
  multiplex?: boolean;
}

/** What a transport failed by. */
export interface TransportError extends Error {
  type: 'TransportError';
  /** The status of the answer, or what failed. */
  description: any;
  /** The request. */
  context: any;
}

/** The server refused the namespace, or could not be reached. */
export interface ConnectError extends Error {
  /** What the server said besides the message. */
  data?: any;
}

export type DisconnectReason =
  | 'io server disconnect'
  | 'io client disconnect'
  | 'ping timeout'
  | 'transport close'
  | 'transport error'
  | 'parse error'
  | 'forced close';

export type DisconnectDetails = Error | { description: string; context?: any };

interface SocketEvents {
  connect: () => void;
  connect_error: (error: ConnectError | TransportError) => void;
  disconnect: (reason: DisconnectReason, details?: DisconnectDetails) => void;
}

/** Use of one namespace. `Listen` and `Emit` are the application's events. */
export class Socket<Listen = AnyEvents, Emit = Listen> extends Emitter<Merge<SocketEvents, Listen>> {
  private constructor();
  readonly io: Manager;
  readonly nsp: string;
  /** The server's name for this socket, while it is connected. */
  readonly id?: string;
  readonly connected: boolean;
  readonly disconnected: boolean;
  /** Whether it is connected, or will be by itself. */
  readonly active: boolean;
  /** Whether the server went on with the session from before the connection was lost. */
  readonly recovered: boolean;
  auth?: SocketOptions['auth'];
  /** What came before the server said that the socket is connected. */
  receiveBuffer: any[][];
  /** What is sent when it is connected. */
  sendBuffer: { type: number; data: any[]; id?: number }[];

  connect(): this;
  open(): this;
  disconnect(): this;
  close(): this;

  /** A function as the last argument is called with the server's acknowledgement. */
  emit<Name extends keyof Emit & string>(name: Name, ...args: Arguments<Emit[Name]>): this;
  /** Rejected if the socket is disconnected before, or after its timeout. */
  emitWithAck<Name extends keyof Emit & string>(name: Name, ...args: Sent<Emit[Name]>): Promise<Answer<Emit[Name]>>;
  /** Emits `message`. */
  send(...args: any[]): this;
  /** The acknowledgement of the next event is waited for so many ms. Its function gets an error first. */
  timeout(ms: number): Socket<Listen, AllWithError<Emit>>;
  /** The next event is dropped if it cannot be sent at once. */
  readonly volatile: this;
  /** A hint whether to compress the next event. */
  compress(compress: boolean): this;

  /** Hears every event that comes. */
  onAny(listener: (name: string, ...args: any[]) => void): this;
  prependAny(listener: (name: string, ...args: any[]) => void): this;
  /** Without a listener: all. */
  offAny(listener?: (...args: any[]) => void): this;
  listenersAny(): ((...args: any[]) => void)[];
  /** Hears every event that goes. */
  onAnyOutgoing(listener: (name: string, ...args: any[]) => void): this;
  prependAnyOutgoing(listener: (name: string, ...args: any[]) => void): this;
  /** Without a listener: all. */
  offAnyOutgoing(listener?: (...args: any[]) => void): this;
  listenersAnyOutgoing(): ((...args: any[]) => void)[];
}

interface ManagerEvents {
  open: () => void;
  close: (reason: DisconnectReason, details?: DisconnectDetails) => void;
  packet: (packet: any) => void;
  /** The server sent a heartbeat. */
  ping: () => void;
  error: (error: Error) => void;
  /** Connected again, after so many attempts. */
  reconnect: (attempts: number) => void;
  reconnect_attempt: (attempt: number) => void;
  reconnect_error: (error: Error) => void;
  /** There were `reconnectionAttempts` of them. */
  reconnect_failed: () => void;
}

/** The connection to one server, which sockets share. */
export class Manager extends Emitter<ManagerEvents> {
  constructor(uri: string | URL, opts?: ManagerOptions);
  constructor(opts?: ManagerOptions);
  readonly uri?: string | URL;
  readonly opts: ManagerOptions;
  /** The session, or an attempt at one. */
  readonly engine: Engine;
  readonly _readyState: 'closed' | 'opening' | 'open';

  /** `done` gets an error if it fails, which is then not tried again. */
  open(done?: (error?: Error) => void): this;
  connect(done?: (error?: Error) => void): this;
  close(): void;
  /** The same. */
  _close(): void;
  /** The socket of a namespace: always the same. */
  socket<Listen = AnyEvents, Emit = Listen>(namespace: string, opts?: SocketOptions): Socket<Listen, Emit>;

  // The options of these names.
  reconnection(): boolean;
  reconnection(value: boolean): this;
  reconnectionAttempts(): number;
  reconnectionAttempts(value: number): this;
  reconnectionDelay(): number;
  reconnectionDelay(value: number): this;
  reconnectionDelayMax(): number;
  reconnectionDelayMax(value: number): this;
  randomizationFactor(): number;
  randomizationFactor(value: number): this;
  timeout(): number | false;
  timeout(value: number | false): this;
}

interface EnginePacket {
  type: 'open' | 'close' | 'ping' | 'pong' | 'message' | 'upgrade' | 'noop';
  data?: any;
  options?: { compress: boolean };
}

interface EngineEvents {
  open: () => void;
  handshake: (data: { sid: string; upgrades: string[]; pingInterval: number; pingTimeout: number; maxPayload?: number }) => void;
  /** Comes from the server. */
  packet: (packet: EnginePacket) => void;
  /** Goes to the server. */
  packetCreate: (packet: EnginePacket) => void;
  message: (data: any) => void;
  data: (data: any) => void;
  ping: () => void;
  pong: () => void;
  heartbeat: () => void;
  flush: () => void;
  /** All that waited has been sent. */
  drain: () => void;
  upgrading: (transport: Transport) => void;
  upgrade: (transport: Transport) => void;
  upgradeError: (error: Error & { transport: TransportName }) => void;
  error: (error: Error) => void;
  close: (reason: DisconnectReason, details?: DisconnectDetails) => void;
}

/** An Engine.IO session. */
export interface Engine extends Emitter<EngineEvents> {
  /** While it is open. */
  readonly id?: string;
  readonly readyState: 'opening' | 'open' | 'closing' | 'closed';
  readonly transport: Transport;
  readonly transports: TransportName[];
  readonly hostname: string;
  readonly port: string;
  readonly secure: boolean;
  readonly opts: EngineOptions;
  /** What waits to be sent. */
  readonly writeBuffer: EnginePacket[];
  /** What received bytes are. Default: `arraybuffer`; in Node `nodebuffer` */
  binaryType: 'arraybuffer' | 'nodebuffer' | 'blob';
  close(): this;
}

export interface Transport {
  readonly name: TransportName;
  readonly query: { [name: string]: any };
  readonly writable: boolean;
}

export interface TransportClass {
  new (engine: any, opts: any): any;
}

/** Polling by fetch. */
export const Fetch: TransportClass;
/** Polling by XMLHttpRequest; in Node by http and https. */
export const XHR: TransportClass;
export const WebSocket: TransportClass;

export interface Io {
  /** Sockets of one server share a connection, unless they are for the same namespace. */
  <Listen = AnyEvents, Emit = Listen>(opts?: Options): Socket<Listen, Emit>;
  /**
   * @param url `https://chat.example/namespace?query`: of each part the page's own if it is missing,
   * the namespace `/`.
   */
  <Listen = AnyEvents, Emit = Listen>(url: string | URL | undefined, opts?: Options): Socket<Listen, Emit>;
  io: Io;
  connect: Io;
  Manager: typeof Manager;
  Socket: typeof Socket;
  protocol: 5;
}

export const io: Io;
export const connect: Io;

/** The version of the Socket.IO protocol. */
export const protocol: 5;

export default io;
