/* The words of all pages, one table per language; texts-diagnostics.js has those of the connection test alone.
   To add a language, add a table: what it leaves out is said in English.
   {x} is filled in. "one|many" is chosen by {n}. ES3, like everything here. */
(function (root) {
  var TABLES = {
    en: {
      skip: 'Skip to the conversation',
      retry: 'Try now',
      details: 'Details',
      close: 'Close',
      and: '{a} and {b}',

      'join.title': 'Join the conversation',
      'join.lead': 'Pick a name that the others will see.',
      'join.label': 'Your name',
      'join.button': 'Join',
      'join.busy': 'Joining…',
      'join.empty': 'Please enter a name.',
      'join.waiting': 'Not connected yet. You will join as soon as the connection is there.',
      'join.refused': 'The server did not accept this name.',
      'join.taken': 'Somebody here already has this name.',
      'join.again': 'Your name is still held by your earlier connection. Trying again…',
      'join.name': 'This name cannot be used.',
      'join.toolong': 'This name is too long.',
      'join.trouble': 'Trouble connecting?',

      'log.label': 'Messages',
      'message.label': 'Message',
      'message.placeholder': 'Write a message',
      'message.hint': 'Enter sends, Shift + Enter starts a new line.',
      send: 'Send',
      'people.title': 'People here',
      'people.count': '{n} person here|{n} people here',
      'people.more': 'and {n} more',
      you: 'you',
      'someone': 'Somebody',

      'typing.one': '{a} is typing…',
      'typing.two': '{a} and {b} are typing…',
      'typing.many': 'Several people are typing…',

      'note.welcome': 'You joined as {name}.',
      'note.alone': 'Nobody else is here yet. Whoever opens this page can join.',
      'note.joined': '{names} joined',
      'note.left': '{names} left',
      'note.back': '{names} came back',
      'note.brief': '{names} looked in',
      'note.others': '{n} more',
      'note.gap': 'Not connected from {from} to {to}. What was said meanwhile is not shown here.',
      'note.trimmed': 'Older messages are no longer shown.',
      'new.marker': 'New messages',
      'new.jump': '{n} new message|{n} new messages',
      'new.bottom': 'To the latest',

      'own.waiting': 'Waiting for the connection',
      'own.sending': 'Sending…',
      'own.rate': 'Too fast for the server. It is sent in a moment.',
      'own.failed': 'Not sent: {why}',
      'own.toolong': 'the message is too long',
      'own.notjoined': 'you are not in the room',
      'own.refused': 'the server refused it',
      'own.edit': 'Edit',
      'own.again': 'Send again',

      'fold.all': 'Show all ({n} characters)',
      'fold.less': 'Show less',

      'state.connecting': 'Connecting',
      'state.waiting': 'Not connected',
      'state.off': 'Disconnected',
      'badge.label': 'Connection: {state}. Show details.',
      'badge.fallback': '{now}: {reason}',
      'badge.proxy': 'a proxy blocks {better}',
      'badge.way': '{better} does not get through',
      'badge.policy': 'the server does not offer {better}',
      'badge.server': 'the server had trouble with {better}',
      'badge.unknown': '{better} did not work',
      'badge.likely': '{reason}, probably',
      'banner.lost': 'Not connected: {why}.',
      'banner.trying': 'Connecting again…',
      'banner.slow': 'Still connecting…',
      'banner.back': 'Connected again.',
      'banner.ended': 'The server ended this connection.',
      'banner.refused': 'The server refused this connection: {why}.',
      'time.late': 'said at {time}, came late',
      'cluster.alone': 'This server cannot reach the others at the moment. You see and hear those who are connected to it.',
      'banner.missing': 'A part of this page did not load. Please reload it.',
      'banner.cause': 'Not connected: {title}.',
      'banner.cause.likely': 'Not connected. Probably: {title}.',
      'banner.only': 'The server allows nothing but {names}.',
      'banner.next': 'Next try in {n} s',

      'why.unreachable': 'the server does not answer',
      'why.offline': 'this device is offline',
      'why.timeout': 'no answer in time',
      'why.silent': 'the connection opens, but nothing comes through',
      'why.cut': 'the connection broke on the way',
      'why.closed': 'the connection was closed',
      'why.ping': 'nothing was heard from the server for a while',
      'why.refused': 'the server does not offer this transport',
      'why.expired': 'the server does not know this session',
      'why.http': 'the answer is an error ({detail})',
      'why.garbled': 'the answer is not one of the chat server',
      'why.unsupported': 'this browser can do none of the allowed transports',
      'why.forbidden': 'the server refuses this connection ({detail})',
      'why.quarantined': 'failed lately and rests; next test in {n} s',

      'transport.websocket': 'WebSocket',
      'transport.eventsource': 'Event stream',
      'transport.htmlfile': 'Streaming frame',
      'transport.xhr-polling': 'Long polling',
      'transport.jsonp-polling': 'Script polling',

      'panel.title': 'Connection',
      'panel.now': 'Now',
      'panel.state': 'State',
      'panel.transport': 'Transport',
      'panel.since': 'Since',
      'panel.rtt': 'Round trip',
      'panel.rtt.wait': 'measuring…',
      'panel.rtt.none': 'not connected',
      'panel.generation': 'Protocol',
      'panel.browser': 'Browser',
      'panel.server': 'Server',
      'panel.connected': 'Connected',
      'panel.ms': '{n} ms',
      'panel.transports': 'Transports',
      'panel.transports.help': 'In the order that the server prefers.',
      'panel.name': 'Transport',
      'panel.status': 'Status',
      'panel.opens': 'To open',
      'panel.use': 'In use',
      'panel.worked': 'Worked',
      'panel.failed': 'Failed',
      'panel.lost': 'Trouble',
      'panel.rests': 'Rests until {time}',
      'panel.notneeded': 'Not tried',
      'panel.refused': 'Refused by the server\'s policy',
      'panel.notoffered': 'Not offered now',
      'panel.unsupported': 'Not supported by this browser',
      'panel.policy': 'Not allowed by the server',
      'cause.certain': 'certain',
      'cause.likely': 'likely',
      'cause.unknown': 'cause unknown',
      'cause.where.browser': 'in the browser',
      'cause.where.way': 'on the way',
      'cause.where.proxy': 'at a proxy',
      'cause.where.policy': 'in the server\'s settings',
      'cause.where.server': 'at the server',
      'cause.where.unknown': 'where is not known',
      'cause.evidence': 'Evidence: {evidence}.',
      'cause.remedy': 'What mends it: {remedy}.',
      'panel.picture': 'What happened',
      'panel.picture.help': 'When each transport was tried, and when it carried the conversation.',
      'panel.legend.carried': 'in use',
      'panel.legend.ok': 'try that worked',
      'panel.legend.failed': 'failed',
      'panel.list': 'Step by step',
      'panel.time': 'Time',
      'panel.what': 'Step',
      'panel.took': 'Took',
      'panel.result': 'Result',
      'panel.report': 'Report',
      'panel.report.help': 'If something does not work, send this text to the people who run the server. It holds no messages.',
      'panel.copy': 'Copy report',
      'panel.copied': 'Copied.',
      'panel.copyhand': 'Copying is not possible here. The text is selected: press Ctrl + C, or hold it and choose Copy.',
      'panel.diagnose': 'Test every transport',
      'step.open': 'open',
      'step.probe': 'probe',
      'step.probe-pong': 'probe answered',
      'step.leave': 'leave the old way',
      'step.upgrade': 'upgrade',
      'step.close': 'close',
      'step.send': 'send',
      'step.policy': 'policy',
      'step.support': 'support',
      'step.quarantine': 'rest',
      'outcome.ok': 'ok',
      'outcome.failed': 'failed',
      'outcome.refused': 'refused',
      'outcome.unsupported': 'unsupported',
      'outcome.quarantined': 'rests'
    },

    ko: {
      skip: '대화로 바로 가기',
      retry: '지금 다시 시도',
      details: '자세히',
      close: '닫기',
      and: '{a}, {b}',

      'join.title': '대화에 참여하기',
      'join.lead': '다른 사람에게 보일 이름을 정하세요.',
      'join.label': '이름',
      'join.button': '참여',
      'join.busy': '참여하는 중…',
      'join.empty': '이름을 입력하세요.',
      'join.waiting': '아직 연결되지 않았습니다. 연결되는 대로 참여합니다.',
      'join.refused': '서버가 이 이름을 받아들이지 않았습니다.',
      'join.taken': '이미 사용 중인 이름입니다.',
      'join.again': '이전 연결이 아직 이 이름을 쓰고 있습니다. 다시 시도하는 중…',
      'join.name': '사용할 수 없는 이름입니다.',
      'join.toolong': '이름이 너무 깁니다.',
      'join.trouble': '연결에 문제가 있나요?',

      'log.label': '메시지',
      'message.label': '메시지',
      'message.placeholder': '메시지를 입력하세요',
      'message.hint': 'Enter로 보내고, Shift + Enter로 줄을 바꿉니다.',
      send: '보내기',
      'people.title': '참여자',
      'people.count': '{n}명 참여 중',
      'people.more': '외 {n}명',
      you: '나',
      'someone': '누군가',

      'typing.one': '{a}님이 입력하고 있습니다…',
      'typing.two': '{a}님과 {b}님이 입력하고 있습니다…',
      'typing.many': '여러 사람이 입력하고 있습니다…',

      'note.welcome': '{name} 이름으로 참여했습니다.',
      'note.alone': '아직 다른 참여자가 없습니다. 이 페이지를 여는 사람은 누구나 참여할 수 있습니다.',
      'note.joined': '{names} 들어옴',
      'note.left': '{names} 나감',
      'note.back': '{names} 돌아옴',
      'note.brief': '{names} 잠시 다녀감',
      'note.others': '외 {n}명',
      'note.gap': '{from}부터 {to}까지 연결이 끊겨 있었습니다. 그동안의 대화는 표시되지 않습니다.',
      'note.trimmed': '이전 메시지는 더 이상 표시되지 않습니다.',
      'new.marker': '새 메시지',
      'new.jump': '새 메시지 {n}개',
      'new.bottom': '최신 메시지로',

      'own.waiting': '연결을 기다리는 중',
      'own.sending': '보내는 중…',
      'own.rate': '너무 빨리 보냈습니다. 잠시 후에 보냅니다.',
      'own.failed': '보내지 못함: {why}',
      'own.toolong': '메시지가 너무 깁니다',
      'own.notjoined': '대화에 참여하고 있지 않습니다',
      'own.refused': '서버가 거절했습니다',
      'own.edit': '고치기',
      'own.again': '다시 보내기',

      'fold.all': '모두 보기({n}자)',
      'fold.less': '접기',

      'state.connecting': '연결 중',
      'state.waiting': '연결 안 됨',
      'state.off': '연결 끊김',
      'badge.label': '연결: {state}. 자세히 보기.',
      'badge.fallback': '{now}: {reason}',
      'badge.proxy': '프록시가 {better}을(를) 막음',
      'badge.way': '{better}이(가) 통과하지 못함',
      'badge.policy': '서버가 {better}을(를) 제공하지 않음',
      'badge.server': '서버에서 {better}에 문제가 있었음',
      'badge.unknown': '{better}이(가) 작동하지 않음',
      'badge.likely': '{reason}(추정)',
      'banner.lost': '연결되지 않음: {why}.',
      'banner.trying': '다시 연결하는 중…',
      'banner.slow': '아직 연결하는 중…',
      'banner.back': '다시 연결되었습니다.',
      'banner.ended': '서버가 이 연결을 끝냈습니다.',
      'banner.refused': '서버가 연결을 거절했습니다: {why}.',
      'time.late': '{time}에 보냄, 늦게 도착함',
      'cluster.alone': '지금 이 서버는 다른 서버와 연결되어 있지 않습니다. 이 서버에 접속한 사람들만 보이고 대화할 수 있습니다.',
      'banner.missing': '페이지의 일부를 불러오지 못했습니다. 새로 고쳐 주세요.',
      'banner.cause': '연결되지 않음: {title}.',
      'banner.cause.likely': '연결되지 않음. 추정 원인: {title}.',
      'banner.only': '서버가 허용하는 방식은 {names}뿐입니다.',
      'banner.next': '{n}초 후 다시 시도',

      'why.unreachable': '서버가 응답하지 않습니다',
      'why.offline': '이 기기가 오프라인입니다',
      'why.timeout': '제시간에 응답이 없습니다',
      'why.silent': '연결은 열리지만 아무것도 전달되지 않습니다',
      'why.cut': '중간에서 연결이 끊어졌습니다',
      'why.closed': '연결이 닫혔습니다',
      'why.ping': '한동안 서버에서 소식이 없었습니다',
      'why.refused': '서버가 이 전송 방식을 제공하지 않습니다',
      'why.expired': '서버가 이 세션을 알지 못합니다',
      'why.http': '오류 응답을 받았습니다({detail})',
      'why.garbled': '채팅 서버의 응답이 아닙니다',
      'why.unsupported': '이 브라우저는 허용된 전송 방식을 지원하지 않습니다',
      'why.forbidden': '서버가 이 연결을 거절합니다({detail})',
      'why.quarantined': '최근에 실패하여 잠시 쉬는 중입니다. {n}초 후 다시 검사합니다',

      'transport.websocket': '웹소켓',
      'transport.eventsource': '이벤트 스트림',
      'transport.htmlfile': '스트리밍 프레임',
      'transport.xhr-polling': '롱 폴링',
      'transport.jsonp-polling': '스크립트 폴링',

      'panel.title': '연결 상태',
      'panel.now': '현재',
      'panel.state': '상태',
      'panel.transport': '전송 방식',
      'panel.since': '시작',
      'panel.rtt': '왕복 시간',
      'panel.rtt.wait': '측정 중…',
      'panel.rtt.none': '연결 안 됨',
      'panel.generation': '프로토콜',
      'panel.browser': '브라우저',
      'panel.server': '서버',
      'panel.connected': '연결됨',
      'panel.ms': '{n}ms',
      'panel.transports': '전송 방식',
      'panel.transports.help': '서버가 선호하는 순서입니다.',
      'panel.name': '전송 방식',
      'panel.status': '상태',
      'panel.opens': '여는 시간',
      'panel.use': '사용 중',
      'panel.worked': '작동함',
      'panel.failed': '실패',
      'panel.lost': '문제',
      'panel.rests': '{time}까지 쉼',
      'panel.notneeded': '시도하지 않음',
      'panel.refused': '서버 정책에 따라 거절됨',
      'panel.notoffered': '지금은 제공하지 않음',
      'panel.unsupported': '이 브라우저가 지원하지 않음',
      'panel.policy': '서버가 허용하지 않음',
      'cause.certain': '확실',
      'cause.likely': '추정',
      'cause.unknown': '원인 알 수 없음',
      'cause.where.browser': '브라우저',
      'cause.where.way': '중간 경로',
      'cause.where.proxy': '프록시',
      'cause.where.policy': '서버 설정',
      'cause.where.server': '서버',
      'cause.where.unknown': '위치 알 수 없음',
      'cause.evidence': '근거: {evidence}.',
      'cause.remedy': '해결 방법: {remedy}.',
      'panel.picture': '진행 과정',
      'panel.picture.help': '각 전송 방식을 언제 시도했고 언제 대화를 전달했는지 보여 줍니다.',
      'panel.legend.carried': '사용 중',
      'panel.legend.ok': '성공한 시도',
      'panel.legend.failed': '실패',
      'panel.list': '단계별 기록',
      'panel.time': '시각',
      'panel.what': '단계',
      'panel.took': '걸린 시간',
      'panel.result': '결과',
      'panel.report': '보고서',
      'panel.report.help': '문제가 있으면 이 내용을 서버 관리자에게 보내세요. 메시지 내용은 들어 있지 않습니다.',
      'panel.copy': '보고서 복사',
      'panel.copied': '복사했습니다.',
      'panel.copyhand': '여기서는 자동으로 복사할 수 없습니다. 내용이 선택되어 있으니 Ctrl + C를 누르거나 길게 눌러 복사하세요.',
      'panel.diagnose': '모든 전송 방식 검사',
      'step.open': '열기',
      'step.probe': '확인',
      'step.probe-pong': '확인 응답',
      'step.leave': '이전 방식 정리',
      'step.upgrade': '전환',
      'step.close': '닫기',
      'step.send': '보내기',
      'step.policy': '정책',
      'step.support': '지원 여부',
      'step.quarantine': '쉼',
      'outcome.ok': '성공',
      'outcome.failed': '실패',
      'outcome.refused': '거절됨',
      'outcome.unsupported': '지원 안 함',
      'outcome.quarantined': '쉼'
    }
  };

  // ?lang=ko wins, then the browser's list. Some old engines give the query without its question mark.
  function choose() {
    var nav = root.navigator || {}, asked = /(?:^|[?&])lang=([\w-]+)/.exec(root.location.search), wishes = asked ? [asked[1]] : [], i, code;
    wishes = wishes.concat(nav.languages && nav.languages.length ? [].slice.call(nav.languages) : [nav.language || nav.userLanguage || 'en']);
    for (i = 0; i < wishes.length; i++) {
      code = ('' + wishes[i]).toLowerCase().replace(/[-_].*/, '');
      if (TABLES.hasOwnProperty(code)) return code;
    }
    return 'en';
  }

  var lang = choose();

  // The words for a key, as they stand in the table.
  function raw(key, n) {
    var words = TABLES[lang].hasOwnProperty(key) ? TABLES[lang][key] : TABLES.en.hasOwnProperty(key) ? TABLES.en[key] : key, forms = words.split('|');
    return forms.length > 1 && n !== 1 ? forms[1] : forms[0];
  }

  // What a server or something on the way said, in a length that fits into a sentence.
  function brief(words) {
    words = '' + words;
    return words.length > 300 ? words.slice(0, 300) + '…' : words;
  }

  function t(key, values) {
    return raw(key, values && values.n).replace(/\{(\w+)\}/g, function (all, name) {
      return values && values[name] !== undefined ? brief(values[name]) : all;
    });
  }

  // Puts the words into an element. Values may be nodes: a name in an element of its own cannot turn the rest around.
  function fill(el, key, values) {
    while (el.firstChild) el.removeChild(el.firstChild);
    raw(key, values && values.n).replace(/\{(\w+)\}|[^{]+/g, function (all, name) {
      var v = name && values && values[name] !== undefined ? values[name] : all;
      el.appendChild(v && v.nodeType ? v : document.createTextNode(brief(v)));
    });
    return el;
  }

  // Translates what is in the page already: elements with data-t.
  function translate(node) {
    var all = node.getElementsByTagName('*'), i, key;
    for (i = 0; i < all.length; i++) {
      key = all[i].getAttribute && all[i].getAttribute('data-t');
      if (key) fill(all[i], key);
    }
  }

  function why(code, detail) {
    var key = 'why.' + (code === 'unreachable' && root.navigator.onLine === false ? 'offline' : code);
    return TABLES.en.hasOwnProperty(key) ? t(key, { detail: detail || '?', n: (/\d+/.exec(detail) || '?')[0] }) : brief(detail || code);
  }

  root.ParlanceTexts = { lang: lang, t: t, brief: brief, fill: fill, translate: translate, why: why, tables: TABLES };
})(window);
