// Generated from stream/protocol.py by `python -m stream.schema`; do not edit.

/** The first message. The server answers `welcome`, or `queued` and later `welcome`, or `error` `full`. */
export interface Hello {
  type: "hello";
  /** Wished overlay mode; the server's default if null */
  overlay?: "landmarks" | "mesh" | "off" | "side_by_side" | "textured" | "wireframe" | null;
  /** `welcome.resume` of a socket that broke under 2 s ago */
  resume?: string | null;
  /** `welcome.keep` of an earlier visit, where identities are kept */
  keep?: string | null;
}

/** A WebRTC offer: one video line, sent and received. Each offer makes a new connection in place of the last one. It may be sent at once, without waiting for ICE candidates: the server has all that a client needs to reach it. */
export interface Offer {
  type: "offer";
  sdp: string;
}

/** One more ICE candidate of the client's. Needed only where the server itself sits behind a relay. */
export interface Candidate {
  type: "candidate";
  /** As RTCIceCandidate.candidate; empty: no more */
  candidate: string;
  sdp_mid?: string | null;
  sdp_mline_index?: number | null;
}

/** A wish for the running session; what is absent or null stays as it is. */
export interface Control {
  type: "control";
  /** Draw this from the next frame on */
  overlay?: "landmarks" | "mesh" | "off" | "side_by_side" | "textured" | "wireframe" | null;
  /** true: frames come in, and nothing is done with them */
  paused?: boolean | null;
  /** Forget the head and learn it again */
  re_enroll?: boolean;
  /** As re_enroll, and delete what is stored of this face, if anything */
  forget?: boolean;
}

/** Answered at once by `pong` with the same id; for measuring the round trip. */
export interface Ping {
  type: "ping";
  id: number;
}

/** Ask for a link that opens once without the token. Answered by `ticket`. */
export interface Ticket {
  type: "ticket";
  purpose: "head.glb" | "texture.png" | "watch";
}

/** The session ends now; nothing waits for a return. */
export interface Bye {
  type: "bye";
}

/** The session has a place; a client sends its offer now. A watcher gets it too, null where not its own. */
export interface Welcome {
  type: "welcome";
  /** Names the session in addresses, as /watch/{session} */
  session: string;
  /** For `hello.resume` after a break. A secret of this client */
  resume: string | null;
  /** The session of `hello.resume` goes on, with the head it has learned */
  resumed: boolean;
  /** Store it for `hello.keep`; null where no identities are kept */
  keep: string | null;
  /** Mien's version */
  server: string;
  head: HeadFacts;
  detector: string;
  device: string;
  /** How the video's rate is held */
  media: "internet" | "lan";
  /** Mode now */
  overlay: "landmarks" | "mesh" | "off" | "side_by_side" | "textured" | "wireframe";
  /** All that `control.overlay` may ask for */
  overlay_modes: ("landmarks" | "mesh" | "off" | "side_by_side" | "textured" | "wireframe")[];
  ice_servers: IceServer[];
  /** The server pings at least this often */
  heartbeat_s: number;
  /** A socket from which nothing comes for so long is dead */
  silence_s: number;
}

/** All places are taken; sent again whenever the position changes, then `welcome`. */
export interface Queued {
  type: "queued";
  /** 1 is next */
  position: number;
}

/** The WebRTC answer to an `offer`, complete with the server's candidates. */
export interface Answer {
  type: "answer";
  sdp: string;
}

/** Sent whenever something in it has changed. */
export interface StateMessage {
  type: "state";
  state: "ENROLLING" | "LOST" | "SEARCHING" | "TRACKING";
  /** What the person may do now, as a short key such as 'turn_left' */
  hint: string | null;
  paused: boolean;
  overlay: "landmarks" | "mesh" | "off" | "side_by_side" | "textured" | "wireframe";
  /** Media flow over the present WebRTC connection */
  connected: boolean;
  /** Returned frame's rtpTimestamp = rtp_time + this, modulo 2^32; null until known */
  overlay_rtp_offset: number | null;
  /** Sent frame's rtpTimestamp = rtp_time + this, modulo 2^32; null until known */
  camera_rtp_offset: number | null;
}

/** What has been learned of this head; sent again whenever it has become better. */
export interface IdentityMessage {
  type: "identity";
  /** The head's identity code */
  shape: number[];
  /** ARKit weights of this face at rest; already taken off `params.blendshapes` */
  neutral: number[] | null;
  /** As fitted; each frame's camera has it corrected */
  focal_px: number;
  /** Width, height that focal_px is for */
  size_px: [number, number];
  head: string;
  head_sha256: string;
  /** Counts up with each message of a session */
  revision: number;
  /** Path of this head as GLB, with 52 morph targets, and with its skin once learned */
  glb?: string | null;
  /** Path of its skin as PNG; learned from when it is asked for */
  texture?: string | null;
}

/** One tracked frame. Without a face, all from `expression` to `error_iod` is null. */
export interface Params {
  type: "params";
  /** Counts tracked and skipped frames of the session */
  index: number;
  /** 90 kHz; joins it to the sent and the returned frame */
  rtp_time: number;
  /** The frame's time since the session's first */
  time_s: number;
  state: "ENROLLING" | "LOST" | "SEARCHING" | "TRACKING";
  /** Weights, named by `welcome.head` */
  expression: number[] | null;
  /** Axis-angle */
  jaw: number[] | null;
  /** Axis-angle of the left eye, then of the right */
  eyes: number[][] | null;
  /** Axis-angle; zero, the head's motion is in `camera` */
  neck: number[] | null;
  camera: CameraPose | null;
  /** 52 ARKit weights, named by `welcome.head` */
  blendshapes: number[] | null;
  /** Mean landmark error / distance between the eyes */
  error_iod: number | null;
  times_ms: TimesMs;
}

/** Once a second. */
export interface Stats {
  type: "stats";
  received_fps: number;
  tracked_fps: number;
  returned_fps: number;
  /** Frames since the session began that a newer one overtook */
  dropped: number;
  watchers: number;
  /** Width, height of the last frame */
  size_px: [number, number] | null;
  /** decode, queue, convert, detect, fit, track, draw, encode: what was measured */
  stages_ms: Record<string, Percentiles>;
}

/** Something went wrong; the session goes on unless `fatal`, which means that the socket closes now. */
export interface Problem {
  type: "error";
  code: "bad_message" | "bad_sdp" | "codec" | "denied" | "frame_too_large" | "full" | "media_timeout" | "order" | "server" | "too_many_messages" | "tracking" | "unknown_session";
  /** What was expected and what came */
  message: string;
  /** What to do about it */
  hint: string;
  fatal?: boolean;
}

export interface Pong {
  type: "pong";
  id: number;
}

/** A link for one use. */
export interface TicketIssued {
  type: "ticket";
  purpose: "head.glb" | "texture.png" | "watch";
  /** Path and query, relative to the page's own address */
  path: string;
  expires_s: number;
}

/** The socket closes now, by intention. */
export interface Farewell {
  type: "bye";
  reason: "client" | "ended" | "idle" | "replaced" | "shutdown" | "silent";
  /** Come back after so many seconds; null: no need */
  retry_s?: number | null;
}

/** Names and sizes of everything that `params` and `identity` carry. */
export interface HeadFacts {
  name: string;
  sha256: string;
  licence: string;
  /** Length of `identity.shape` */
  shape_size: number;
  /** Names of `params.expression`, in order */
  expression_names: string[];
  /** Names of `params.blendshapes`: ARKit's 52, in order */
  blendshape_names: string[];
  joint_names: string[];
}

/** As RTCIceServer in a browser. */
export interface IceServer {
  urls: string[];
  username?: string | null;
  credential?: string | null;
}

/** T_camera_head and the pinhole, the detector's usual faults taken back. OpenCV axes: z is forward. */
export interface CameraPose {
  /** Unit quaternion w, x, y, z */
  rotation: number[];
  /** Metres */
  translation: number[];
  focal_px: number;
  /** Width, height of this frame */
  size_px: [number, number];
}

/** Milliseconds from the decoded frame to the parameters. */
export interface TimesMs {
  /** Waiting for the tracker */
  queue: number;
  detect: number;
  fit: number;
}

/** Of one stage over the last seconds, in milliseconds. */
export interface Percentiles {
  median: number;
  p95: number;
}

export type ClientMessage = Hello | Offer | Candidate | Control | Ping | Ticket | Bye;

export type ServerMessage = Welcome | Queued | Answer | StateMessage | IdentityMessage | Params | Stats | Problem | Pong | TicketIssued | Farewell;
