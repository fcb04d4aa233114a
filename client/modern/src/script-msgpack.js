// socket.io.msgpack.min.js

import { give } from './global.js';
import { library } from './io.js';
import * as msgpack from './parser/msgpack.js';
import { web } from './web.js';

give(library(web, msgpack).io);
