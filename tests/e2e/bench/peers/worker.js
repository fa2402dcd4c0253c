// Each client runs in a worker of its own without other work, and does the least possible: it counts.

const { client, broker, topic, packet } = Object.fromEntries(new URLSearchParams(location.search));

let received = 0;
let reported = 0;
const report = (name, value) => postMessage([name, value]);

// The page is notified as often as it could show the number.
setInterval(() => {
  if (reported === received) return;
  reported = received;
  report('received', received);
}, 16);

const CLIENTS = {
  // The limit: a socket whose bytes aren't read. All packets have one length, so bytes give messages.
  raw() {
    const socket = new WebSocket(broker, 'mqtt');
    socket.binaryType = 'arraybuffer';
    const name = new TextEncoder().encode(topic);
    let bytes = 0;
    const count = ({ data }) => {
      bytes += data.byteLength;
      received = Math.floor(bytes / packet);
    };
    const onSubAck = () => {
      socket.onmessage = count;
      report('state', 'connected');
    };
    const onConnAck = () => {
      socket.onmessage = onSubAck;
      socket.send(new Uint8Array([0x82, name.length + 6, 0, 1, 0, 0, name.length, ...name, 0]));
    };
    socket.onmessage = onConnAck;
    // CONNECT of 5.0 with Clean Start, no Keep Alive, and an identifier of the broker's choice.
    socket.onopen = () => socket.send(new Uint8Array([0x10, 13, 0, 4, 0x4d, 0x51, 0x54, 0x54, 5, 2, 0, 0, 0, 0, 0]));
  },

  mqtt_js() {
    importScripts('mqtt_js.js');
    const session = mqtt.connect(broker, { protocolVersion: 5, keepalive: 0, reconnectPeriod: 0 });
    session.on('message', () => { received += 1; });
    session.on('connect', () => session.subscribe(topic, { qos: 0 }, () => report('state', 'connected')));
  },

  // It supports 3.1.1 only.
  paho() {
    importScripts('paho.js');
    const session = new Paho.Client(broker, `bench${Math.floor(Math.random() * 1e9)}`);
    session.onMessageArrived = () => { received += 1; };
    session.connect({
      keepAliveInterval: 60,
      onSuccess: () => session.subscribe(topic, { qos: 0, onSuccess: () => report('state', 'connected') }),
    });
  },
};

CLIENTS[client]();
