// socket.io.min.js

import { give } from './global.js';
import { library } from './io.js';
import * as json from './parser/json.js';
import { web } from './web.js';

give(library(web, json).io);
