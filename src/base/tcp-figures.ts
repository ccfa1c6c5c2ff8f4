/**
 * What the kernel knows of a TCP connection (TCP_INFO, tcp(7)), by our names: times in microseconds,
 * rates in bytes a second, the rest counts.
 */
export type TcpFigure =
  | 'rtt'
  | 'rttvar'
  | 'min-rtt'
  | 'retransmits'
  | 'cwnd'
  | 'mss'
  | 'delivery-rate';

/** A connection that can be asked, or one that has no TCP below it. */
export interface TcpAsked {
  /** -1 when the connection is closed, or the kernel does not say. A system call. */
  tcpFigure?(figure: TcpFigure): number;
}
