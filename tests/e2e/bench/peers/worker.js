// Each client in a worker of its own, where nothing else asks for its time, doing the least that it can: it counts.

const { client, broker, topic, packet } = Object.fromEntries(new URLSearchParams(location.search));

let received = 0;
let told = 0;
const tell = (name, value) => postMessage([name, value]);

// The page hears of it as often as it could show it.
setInterval(() => {
  if (told === received) return;
  told = received;
  tell('received', received);
}, 16);

const CLIENTS = {
  // The limit: a socket whose bytes nobody looks at. All packets are of one length, so bytes are messages.
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
      tell('state', 'connected');
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
    session.on('connect', () => session.subscribe(topic, { qos: 0 }, () => tell('state', 'connected')));
  },

  // 3.1.1: it knows no other.
  paho() {
    importScripts('paho.js');
    const session = new Paho.Client(broker, `bench${Math.floor(Math.random() * 1e9)}`);
    session.onMessageArrived = () => { received += 1; };
    session.connect({
      keepAliveInterval: 60,
      onSuccess: () => session.subscribe(topic, { qos: 0, onSuccess: () => tell('state', 'connected') }),
    });
  },
};

CLIENTS[client]();
