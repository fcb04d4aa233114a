// The handlers of benches/library/server.rs on Node; PORT
const http = require('http').createServer((q, s) => s.end());
const { Server } = require('socket.io');
const io = new Server(http, { serveClient: false });
http.listen(+(process.env.PORT || 3000), '127.0.0.1', 4096);

async function ask(socket, times) {
  let right = 0;
  for (let number = 0; number < times; number += 1) {
    const answer = await socket.timeout(10_000).emitWithAck('question', number).catch(() => undefined);
    if (answer === number) right += 1;
  }
  socket.emit('asked', right);
}

io.on('connection', (socket) => {
  socket.on('join', (rooms, ack) => {
    socket.join(rooms);
    ack();
  });
  socket.on('leave', (rooms, ack) => {
    for (const room of rooms) socket.leave(room);
    ack();
  });
  socket.on('say', (room, message) => io.to(room).emit('new message', { message }));
  socket.on('ask', (times) => ask(socket, times));
});
