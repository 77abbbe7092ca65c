// The client package brings a native WebRTC engine that is not needed to speak to a tracker: a session description is
// made up here, and no connection ever opens.

import { register } from "node:module";

const engine = `
  let count = 0
  export class RTCPeerConnection {
    iceGatheringState = 'new'; iceConnectionState = 'new'; signalingState = 'stable'; connectionState = 'new'
    createDataChannel () { return { close () {}, readyState: 'connecting' } }
    async #describe (type) { return { type, sdp: 'v=0\\\\r\\\\no=- ' + ++count + ' 2 IN IP4 127.0.0.1\\\\r\\\\ns=\\u2028-\\\\r\\\\n' } }
    createOffer () { return this.#describe('offer') }
    createAnswer () { return this.#describe('answer') }
    async setLocalDescription (description) {
      this.localDescription = description
      this.iceGatheringState = 'complete'
      setImmediate(() => this.onicecandidate?.({ candidate: null }))
    }
    async setRemoteDescription (description) { this.remoteDescription = description }
    async addIceCandidate () {}
    async getStats () { return new Map() }
    close () {}
  }
  export class RTCSessionDescription { constructor (from) { Object.assign(this, from) } }
  export class RTCIceCandidate { constructor (from) { Object.assign(this, from) } }
  export default { RTCPeerConnection, RTCSessionDescription, RTCIceCandidate }
`;
const engineUrl = `data:text/javascript,${encodeURIComponent(engine)}`;
const hooks = `export async function resolve (name, context, next) {
  return name === 'webrtc-polyfill' ? { url: ${JSON.stringify(engineUrl)}, shortCircuit: true } : next(name, context)
}`;

register(`data:text/javascript,${encodeURIComponent(hooks)}`);
