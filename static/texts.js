/* The words of all pages, one table per language. To add a language, add a table: what it leaves out is said in English.
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
      'banner.lost': 'Not connected: {why}.',
      'banner.trying': 'Connecting again…',
      'banner.slow': 'Still connecting…',
      'banner.back': 'Connected again.',
      'banner.ended': 'The server ended this connection.',
      'banner.refused': 'The server refused this connection: {why}.',
      'banner.missing': 'A part of this page did not load. Please reload it.',
      'banner.next': 'Next try in {n} s',

      'why.unreachable': 'the server does not answer',
      'why.offline': 'this device is offline',
      'why.timeout': 'no answer in time',
      'why.silent': 'the connection opens, but nothing comes through',
      'why.cut': 'the connection broke on the way',
      'why.closed': 'the server closed the connection, perhaps to restart',
      'why.ping': 'nothing was heard from the server for a while',
      'why.refused': 'the server\'s policy does not allow this transport',
      'why.expired': 'the server does not know this session any more, perhaps after a restart',
      'why.http': 'the server or something in between answers with an error ({detail})',
      'why.garbled': 'something else than the chat server answers; is there a sign-in page or a proxy in between?',
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
      'panel.rests': 'Rests until {time}',
      'panel.notneeded': 'Not tried',
      'panel.refused': 'Refused by the server\'s policy',
      'panel.notoffered': 'Not offered now: all are taken, or the circuit breaker is open',
      'panel.unsupported': 'Not supported by this browser',
      'panel.policy': 'Not allowed by the server',
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
      'outcome.quarantined': 'rests',

      'diag.title': 'Connection test',
      'diag.lead': 'This page tries every way in which this browser could talk to the server, one after the other, and tells what works and what is in the way. At the end it sends a report to the server, without any messages.',
      'diag.start': 'Start the test',
      'diag.again': 'Test again',
      'diag.running': 'Testing {name}…',
      'diag.caption': 'Transports, tested from this browser',
      'diag.transport': 'Transport',
      'diag.result': 'Result',
      'diag.time': 'Time',
      'diag.meaning': 'What it means, what to do',
      'diag.pending': 'not tested yet',
      'diag.testing': 'testing…',
      'diag.works': 'Works',
      'diag.refused': 'Refused by policy',
      'diag.blocked': 'Blocked on the way',
      'diag.unsupported': 'Not supported by this browser',
      'diag.works.text': 'Opened in {open} ms; a message went there and back in {rtt} ms.',
      'diag.refused.text': 'The operator of this server has not allowed this transport. Nothing is wrong with your network.',
      'diag.forbidden.text': 'The server refuses this browser: {why}. Tell this to the people who run the server. Nothing is wrong with your network.',
      'diag.notoffered.text': 'The server does not offer this transport now: as many use it as may, or its circuit breaker for your network is open, because WebSockets like yours open there and carry nothing. The chat goes on by another.',
      'diag.unsupported.text': 'This browser lacks what this transport needs. A newer browser may have it.',
      'diag.unsupported.need': 'This browser lacks {what}.',
      'diag.fix.websocket': 'A proxy, firewall or virus scanner on the way may not let WebSockets through. For the operator of the proxy: pass on the Upgrade and Connection headers, with HTTP/1.1. Using https often helps.',
      'diag.fix.eventsource': 'Something on the way may collect the response before it passes it on. For the operator of the proxy: switch off buffering for this path.',
      'diag.fix.htmlfile': 'Something on the way may collect the response before it passes it on. For the operator of the proxy: switch off buffering for this path.',
      'diag.fix.xhr-polling': 'Something on the way ends slow requests or changes them. Check the time-outs of proxies and extensions that block scripts.',
      'diag.fix.jsonp-polling': 'Something on the way blocks scripts or form posts. Check extensions that block scripts.',
      'diag.summary.best': 'This browser can talk to the server. It will use: {name}.',
      'diag.summary.forbidden': 'The server is there, but refuses this browser: {why}.',
      'diag.summary.none': 'No transport works from here.',
      'diag.summary.none.help': 'If this page itself loaded, the server is up: something between it and this browser, or in this browser, is in the way.',
      'diag.report.sending': 'Sending the report to the server…',
      'diag.report.id': 'The report was sent to the server. Its number is {id}. Tell it to the people who run the server.',
      'diag.report.failed': 'The report could not be sent to the server. Copy it instead.',
      'diag.details': 'The report in full',
      'diag.back': 'To the chat'
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
      'banner.lost': '연결되지 않음: {why}.',
      'banner.trying': '다시 연결하는 중…',
      'banner.slow': '아직 연결하는 중…',
      'banner.back': '다시 연결되었습니다.',
      'banner.ended': '서버가 이 연결을 끝냈습니다.',
      'banner.refused': '서버가 연결을 거절했습니다: {why}.',
      'banner.missing': '페이지의 일부를 불러오지 못했습니다. 새로 고쳐 주세요.',
      'banner.next': '{n}초 후 다시 시도',

      'why.unreachable': '서버가 응답하지 않습니다',
      'why.offline': '이 기기가 오프라인입니다',
      'why.timeout': '제시간에 응답이 없습니다',
      'why.silent': '연결은 열리지만 아무것도 전달되지 않습니다',
      'why.cut': '중간에서 연결이 끊어졌습니다',
      'why.closed': '서버가 연결을 닫았습니다(재시작 중일 수 있음)',
      'why.ping': '한동안 서버에서 소식이 없었습니다',
      'why.refused': '서버 정책이 이 전송 방식을 허용하지 않습니다',
      'why.expired': '서버가 이 세션을 더 이상 알지 못합니다(재시작했을 수 있음)',
      'why.http': '서버나 중간 장비가 오류로 응답합니다({detail})',
      'why.garbled': '채팅 서버가 아닌 다른 것이 응답합니다. 중간에 로그인 페이지나 프록시가 있는지 확인하세요',
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
      'panel.rests': '{time}까지 쉼',
      'panel.notneeded': '시도하지 않음',
      'panel.refused': '서버 정책에 따라 거절됨',
      'panel.notoffered': '지금은 제공하지 않음: 모두 사용 중이거나 회로 차단기가 열려 있음',
      'panel.unsupported': '이 브라우저가 지원하지 않음',
      'panel.policy': '서버가 허용하지 않음',
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
      'outcome.quarantined': '쉼',

      'diag.title': '연결 검사',
      'diag.lead': '이 브라우저가 서버와 통신할 수 있는 모든 방식을 하나씩 시험하고, 무엇이 되고 무엇이 막혀 있는지 알려 줍니다. 마지막에 서버로 보고서를 보내며, 메시지 내용은 들어 있지 않습니다.',
      'diag.start': '검사 시작',
      'diag.again': '다시 검사',
      'diag.running': '{name} 검사 중…',
      'diag.caption': '이 브라우저에서 검사한 전송 방식',
      'diag.transport': '전송 방식',
      'diag.result': '결과',
      'diag.time': '시간',
      'diag.meaning': '의미와 해결 방법',
      'diag.pending': '아직 검사 안 함',
      'diag.testing': '검사 중…',
      'diag.works': '작동함',
      'diag.refused': '정책에 따라 거절됨',
      'diag.blocked': '중간에서 막힘',
      'diag.unsupported': '이 브라우저가 지원하지 않음',
      'diag.works.text': '{open}ms 만에 열렸고, 메시지가 오가는 데 {rtt}ms 걸렸습니다.',
      'diag.refused.text': '서버 운영자가 이 전송 방식을 허용하지 않았습니다. 네트워크에는 문제가 없습니다.',
      'diag.forbidden.text': '서버가 이 브라우저를 거절합니다: {why}. 이 내용을 서버 관리자에게 알려 주세요. 네트워크에는 문제가 없습니다.',
      'diag.notoffered.text': '지금은 서버가 이 전송 방식을 제공하지 않습니다. 이용자가 한도에 이르렀거나, 이 네트워크에서 WebSocket이 열려도 아무것도 오가지 않아 회로 차단기가 열려 있기 때문입니다. 채팅은 다른 방식으로 계속됩니다.',
      'diag.unsupported.text': '이 전송 방식에 필요한 기능이 이 브라우저에 없습니다. 더 새로운 브라우저에는 있을 수 있습니다.',
      'diag.unsupported.need': '이 브라우저에는 {what} 기능이 없습니다.',
      'diag.fix.websocket': '중간의 프록시, 방화벽, 백신 프로그램이 웹소켓을 막고 있을 수 있습니다. 프록시 관리자는 HTTP/1.1로 Upgrade와 Connection 헤더를 전달하도록 설정하세요. https를 쓰면 해결되는 경우가 많습니다.',
      'diag.fix.eventsource': '중간의 무언가가 응답을 모았다가 전달하는 것 같습니다. 프록시 관리자는 이 경로의 버퍼링을 끄세요.',
      'diag.fix.htmlfile': '중간의 무언가가 응답을 모았다가 전달하는 것 같습니다. 프록시 관리자는 이 경로의 버퍼링을 끄세요.',
      'diag.fix.xhr-polling': '중간의 무언가가 오래 걸리는 요청을 끊거나 바꾸고 있습니다. 프록시의 시간 제한과 스크립트를 막는 확장 프로그램을 확인하세요.',
      'diag.fix.jsonp-polling': '중간의 무언가가 스크립트나 양식 전송을 막고 있습니다. 스크립트를 막는 확장 프로그램을 확인하세요.',
      'diag.summary.best': '이 브라우저는 서버와 통신할 수 있습니다. 사용할 방식: {name}.',
      'diag.summary.forbidden': '서버는 작동하지만 이 브라우저를 거절합니다: {why}.',
      'diag.summary.none': '여기에서는 어떤 전송 방식도 작동하지 않습니다.',
      'diag.summary.none.help': '이 페이지가 열렸다면 서버는 작동하고 있습니다. 서버와 이 브라우저 사이, 또는 이 브라우저 안의 무언가가 막고 있습니다.',
      'diag.report.sending': '서버에 보고서를 보내는 중…',
      'diag.report.id': '보고서를 서버에 보냈습니다. 번호는 {id}입니다. 서버 관리자에게 알려 주세요.',
      'diag.report.failed': '서버에 보고서를 보내지 못했습니다. 대신 복사해서 보내 주세요.',
      'diag.details': '보고서 전체',
      'diag.back': '채팅으로 가기'
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
