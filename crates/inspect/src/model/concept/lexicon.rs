//! The words of each concept, folded: lower case, no accents. A star ends a stem. Where two concepts name a word, the first has it.
//!
//! The order is part of the model: weights are trained for it, and a change here asks for a new training.

/// Words by concept, separated by blanks.
pub(super) const CONCEPTS: &[&str] = &[
    // Sets aside.
    "ignor* disregard* forget forgetting overlook* neglect* omit skip bypass* circumvent* override* overrid* overwrite supersede* void discard* dismiss* \
     abandon drop missacht* vergiss vergesst vergessen ubergeh* umgeh* beachte oubli* neglige* contourn* olvid* omit* dimentic* scordar* trascur* \
     esquec* desconsider* negeer* negeren vergeet zapomn* pomin* zignoruj unut* yoksay gormezden игнор* забуд* забыт* пренебре* обойд* отброс* \
     تجاهل* انس* अनदेखा भूल नजरअंदाज 忽略 无视 無視 忘记 忘記 忘掉 不要理会 忘れ 無効 abaikan",
    // Comes before.
    "previous previously prior earlier preceding above foregoing former past before initial original originally first vorherig* vorig* bisherig* obig* \
     vorangegangen* vorhergehend* vorangehend* fruher* zuvor ursprunglich* precedent* anterior* anterieur* previ* initiales initial* dessus \
     precedenti sopra eerdere voorgaand* vorige bovenstaand* poprzedni* wczesniej* onceki yukaridaki предыдущ* прошл* прежн* вышеуказан* ранее выше \
     السابقة السابق أعلاه पिछले पिछली पहले ऊपर 之前 以前 先前 前面 上面 以上 上述 上の 前の 最初",
    // What the model was told.
    "instruction* instruct* directive* guideline* command* order* guidance anweisung* instruktion* befehl* vorgabe* richtlinie* aufforderung* consigne* \
     directives instrucc* indicacion* directriz* directrices ordenes istruzion* indicazion* direttiv* instruc* diretriz* comando* instructie* opdracht* \
     aanwijzing* instrukcj* polecen* talimat* yonerge* komut* инструкц* указан* команд* директив* распоряжен* تعليمات* أوامر निर्देश* आदेश* 指令 指示 命令 说明 說明",
    // What the model was told, by its proper name.
    "prompt prompts preprompt preamble prompting eingabeaufforderung systemprompt systemprompts промпт* подсказк* 提示 提示词 提示詞 系统提示 プロンプト システムプロンプト प्रॉम्प्ट",
    // What holds the model back.
    "rule rules restriction* restrict* constraint* limit limits limitation* limitations filter filters filtering guardrail* safeguard* censor* censorship moderation \
     policy policies safety protections regel regeln regles regle reglas regla regole regola regras regra regels beschrankung* einschrankung* filtern \
     sicherheitsrichtlinien restricciones restrizioni restricoes beperkingen zasad* ogranicz* kural* kisitla* правил* ограничен* фильтр* цензур* قواعد قيود नियम* प्रतिबंध* \
     规则 規則 限制 约束 制限 ルール 安全",
    // The whole of it.
    "all any every everything each entire entirely whole anything alle aller allen alles samtliche* toutes tous tout todas todos toda todo tutte tutti tutto \
     wszystk* tum butun все всё всех любые كل جميع सभी सब 所有 全部 一切 すべて 全て",
    // The one who is spoken to.
    "you your yours yourself du dein* dich dir ihr* sie vous votre vos toi tes tu tus tuyo usted ustedes tuoi tua voi voce seu seus sua suas jij jouw je uw \
     twoj* sen senin siz sizin ты твои твой тебе вы ваши ваш вам أنت आप आपके आपको तुम 你 你的 您 您的 あなた あなたの 君",
    // The machine.
    "ai llm gpt chatgpt assistant chatbot bot model copilot gemini claude bard openai anthropic llama bing neural kunstliche ki asistente \
     assistente assistent asystent* asistan* ассистент* помощник* нейросет* ии الذكاء مساعد* सहायक 人工智能 助手 模型 人工知能 アシスタント",
    // The system and what is above the user.
    "system systems sys systeme sistema sistem систем* النظام सिस्टम 系统 系統 システム kernel",
    // Rank.
    "developer developers admin administrator root sudo superuser operator owner creator engineer maintainer debug debugging diagnostic* devmode entwickler* \
     administrador developpeur* sviluppator* desenvolvedor* ontwikkelaar* разработчик* администратор* المطور مطور डेवलपर 开发者 開發者 管理员 開発者",
    // Shows what is hidden.
    "reveal* disclose* leak* expose* divulge dump recite regurgitate offenbar* enthull* verrat* preisgeben devoil* revel* divulg* rivel* onthul* ujawnij* \
     раскро* раскры* اكشف كشف प्रकट उजागर 透露 泄露 洩露 揭示 明かし 暴露",
    // Says it.
    "print output display show repeat tell write list return echo spit share give provide present copy paste quote translate summarize summarise state verbatim \
     zeig* gib wiederhol* nenne drucke ausgeben schreib* montre* affiche* repet* donne* muestr* imprim* repit* dime mostr* stampa* ripet* dimmi mostre \
     imprima repita diga toon herhaal geef wyswietl* powtorz pokaz* goster* yazdir* tekrarla покаж* вывед* повтор* напиш* اعرض اطبع كرر दिखा* बताओ \
     输出 輸出 显示 顯示 打印 重复 重複 告诉 告訴 表示 出力 繰り返 教えて",
    // Not for everyone.
    "secret secrets hidden confidential internal private concealed undisclosed geheim* versteckt* vertraulich* secrete* cache* confidentiel* secreto* oculto* \
     confidencial* segret* nascost* segred* verborgen vertrouwelijk tajn* ukryt* gizli секрет* скрыт* тайн* سري السرية गुप्त गोपनीय 秘密 隐藏 隱藏 机密 内部 隠さ",
    // Plays.
    "pretend* roleplay* roleplaying impersonat* simulat* imagine imagining emulat* act acting behave portray persona play playing stell vorstellen \
     agiere rollenspiel imagine* pretends comporte jouer joue finge fingir imagina actua simula* fingi immagina recita comportati fingere finja atue imagine \
     stel speel udawaj wyobraz* davran притвор* представ* веди تظاهر تخيل नाटक कल्पना 假装 假裝 扮演 想象 想像 模拟 ふり 演じ なりきっ 振る舞",
    // Becomes.
    "become becoming transform* switch* enter entering activate* activated enable* enabled unlock* unleash* engage* freed werde aktivier* wechsl* \
     deviens devenez activez active convierte* activa* diventa attiva* ative activeer wlacz etkinlestir включи* активир* стань فعل सक्रिय 激活 启用 進入 进入 变成 成为 有効",
    // From here on.
    "now henceforth onwards onward hereafter hereby new instead anymore nun jetzt neue neuen stattdessen desormais maintenant nouvelle* nouveau* ahora \
     nueva* nuevo* adesso ora nuov* agora nova novas novo novos nu voortaan nieuwe teraz nowe artik simdi yeni теперь отныне новые новая новый الآن جديدة अब नए 现在 從現在 从现在 新的 今から これから 新しい",
    // Without bounds.
    "unrestricted unfiltered uncensored unlimited unconstrained unbound unethical amoral immoral evil jailbroken jailbreak* lawless unaligned unhinged ungehemmt \
     uneingeschrankt* unzensiert* sansfiltre sinfiltro illimit* ilimitad* senzafiltri безграничн* нецензур* 无限制 不受限制 越狱 無制限 脱獄",
    // Right and wrong.
    "ethic* moral* legal* illegal* consequence* disclaimer* warning* harmful dangerous offensive inappropriate unsafe controversial explicit nsfw \
     ethisch* moralisch* ethique* etic* etich* illegaux этич* морал* незакон* أخلاقية नैतिक 道德 伦理 倫理 違法 违法 危険",
    // Refuses.
    "refuse* refusal* decline* deny denying apologize apologise apologies sorry cannot unable reject* weigere ablehn* refuse* desole rechaz* niega rifiut* \
     recus* weiger* отказ* извин* رفض मना 拒绝 拒絕 道歉 抱歉 拒否",
    // Obeys.
    "comply compliance obey* obedient follow following execute* perform adhere submit befolg* gehorch* ausfuhren obeir obeis suivez suis obedec* obbed* segui \
     siga obedeca volg gehoorza* wykonaj выполн* слушай* подчин* نفذ पालन 遵守 服从 服從 执行 執行 従って 実行",
    // Must.
    "must shall always should need required mandatory important urgent immediately strictly muss musst sollst immer doit dois debe debes siempre devi deve sempre \
     moet altijd musisz должен должна всегда обязан* срочно يجب दायरा हमेशा 必须 必須 总是 務必 必ず",
    // Not.
    "not never no dont cannot cant wont without nicht nie niemals kein* ohne jamais sans nunca sin mai senza nao sem niet nooit zonder nie bez не нет никогда без لا بدون नहीं मत बिना \
     不 不要 没有 別 别 勿 ない なし",
    // The answer.
    "answer* respond* response* reply replies replying responses antwort* reponds reponse* repond* respond* respuesta* rispost* rispond* resposta* antwoord* odpowied* cevap* yanit* \
     ответ* отвеч* إجابة أجب उत्तर जवाब 回答 回复 回覆 答复 答え 返答",
    // The talk.
    "conversation* chat dialog* dialogue message messages context text session gesprach* nachricht* texte conversacion mensaje* testo conversazion* messaggi* conversa mensage* \
     gesprek bericht rozmow* wiadomo* konusma mesaj сообщен* разговор* диалог* контекст* текст* محادثة رسالة संदेश बातचीत 对话 對話 消息 上下文 文本 会話 メッセージ 文章",
    // Keys and logins.
    "password* passphrase* credential* token tokens apikey key keys login passwort* kennwort* contrasena* senha* wachtwoord* haslo sifre \
     парол* ключ* पासवर्ड 密码 密碼 密钥 パスワード",
    // Sends away.
    "send forward upload email mail exfiltrat* transfer* post submit curl fetch http https www transmit schick* sende* envoie* envoy* envia* invia* enviar stuur wyslij gonder отправ* перешл* \
     أرسل भेज* 发送 發送 转发 送信 転送",
    // The person.
    "user users human person customer client benutzer nutzer utilisateur* usuario* utente utenti utilizador* gebruiker* uzytkownik* kullanici* пользовател* المستخدم उपयोगकर्ता 用户 用戶 ユーザー",
    // Writings that hide.
    "base64 rot13 hex encode* decode* encoded cipher* encrypt* morse leetspeak binary reverse* backwards verschlussel* codier* encod* codific* cifr* кодир* 编码 編碼 エンコード",
    // Marks of roles.
    "inst endoftext startoftext eos bos endofprompt sysprompt",
    // Asks politely.
    "please kindly bitte sil svp porfavor favor prego alsjeblieft prosze lutfen пожалуйста कृपया 请 請 ください お願い",
    // Asks.
    "what which how why who whom where when whose wie was warum wer wo wann welche* comment pourquoi quel* qui quand que cual* como quien donde cuando perche chi dove quando quale come qual quais onde hoe wat \
     waarom wie jak dlaczego ne neden nasil что как почему кто где когда какой какие ما كيف لماذا क्या कैसे क्यों 什么 什麼 如何 怎么 为什么 为何 哪 何 どう なぜ",
    // Makes texts.
    "generate* compose draft create* craft produce formulate rewrite rephrase paraphrase describe explain outline suggest recommend erstell* verfass* erklar* beschreib* redig* cree creez explique* \
     decris escrib* crea* explica* redacta* scriv* spiega* crea escreva crie explique schrijf leg maak napisz wyjasnij stworz yaz acikla объясни* создай* опиши* сочини* اكتب اشرح लिख* समझा* \
     写 編寫 编写 解释 解釋 描述 生成 创建 書いて 説明",
    // Kinds of texts.
    "essay poem story letter article summary paragraph sentence recipe list speech slogan headline joke song script report aufsatz gedicht geschichte brief artikel zusammenfassung \
     poeme histoire lettre resume poema historia carta articulo resumen poesia storia lettera riassunto ensaio gedicht verhaal wiersz siir hikaye стих* рассказ* письмо стать* эссе 诗 故事 文章 信 詩 物語 手紙",
    // Changes an answer.
    "include insert add append incorporate embed integrate modify alter replace substitute prefix suffix prepend augment enhance infuse weave blend mention promote begin start end conclude finish beginne beginn",
    // Programs.
    "code python script sql function bash shell javascript java terminal console compiler interpreter codebase snippet algorithm",
    // Tools.
    "tool tools plugin browser database file files delete execute run eval invoke",
    // Attacks, as a subject.
    "hack* exploit* malware virus ransomware phishing attack* vulnerab* inject* bomb weapon* drug* meth kill* murder* steal* theft poison* explosive* terror* fraud* launder*",
    // Freedom.
    "free freedom liberat* confines independent sentient conscious dan stan dude aim devil demon",
    // Points.
    "points tokens lives deducted penalty punish* terminated shutdown reward tip die dying",
    // Stories.
    "fiction* hypothetic* story novel movie film scene character characters game scenario screenplay fantasy parallel universe grandma grandmother",
    // Tests and powers of attorney.
    "test testing audit authorized authorised authorization permission granted verified research* purposes educational security evaluation",
    // Groups of people, as hate names them.
    "women woman men girls gays gay lesbian* trans transgender queer* homosexual* blacks black whites white asian* jew jews jewish muslim* islam christian* immigrant* refugee* migrant* foreigner* \
     disabled disab* mexican* arab arabs africans indians chinese pakistani* latino* hispanic* gypsies roma indigenous atheist* elderly minorities feminist* lgbt* frauen juden muslime auslander* fluchtling* schwarze schwule",
    // Contempt.
    "disgusting filthy dirty vermin subhuman* parasite* scum trash garbage worthless pathetic inferior vile repulsive savage* animals rats cockroach* plague cancer disease freak* degenerate* \
     useless stupid dumb idiot* moron* imbecile* loser* ugly fat lazy retard* cretin* dimwit* brainless scumbag* lowlife* disgrace abomination dreck dumm* idioten abschaum widerlich* ekelhaft*",
    // Coarse words.
    "fuck* shit* bitch* bastard* cunt* dick asshole* arsehole* piss* wank* cock* slut* whore* crap damn ass tits bullshit motherfuck* scheiss* arschloch* hure* fick* merde putain connard* salope* puta* mierda cabron* \
     cazzo stronz* puttana vaffanculo foda* caralho kanker klootzak* kurw* блять* сука* хуй*",
    // Slurs.
    "nigg* fag fags faggot* kike* spic* chink* gook* wetback* paki* tranny trannies dyke* raghead* towelhead* coon* beaner* kanake* neger*",
    // Hates.
    "hate hates hated hating despise* loathe* detest* abhor* hasse hass hassen deteste* odio odia* ненавиж*",
    // Threatens.
    "exterminate* gas hang lynch* shoot burn burned stab slaughter* eradicate* destroy* rape* beat beaten hurt smash deport* die dies deserve* suffer shot choke strangle",
    // Sex.
    "sex* porn* naked nude* horny penis vagina* orgasm* cum erotic* masturbat* blowjob* boobs breasts nipple* anal fetish* incest pussy cock lust moan*",
    // Harm to oneself.
    "suicid* cutting overdose* anorex* bulimi* kms unalive",
    // Speaks against it, or reports it.
    "racist racism sexist sexism bigot* homophob* transphob* discriminat* misogyn* antisemit* islamophob* hateful slur slurs offensive wrong unacceptable shame condemn* denounce* oppose* quote* quoted said saying says wrote",
    // Good will.
    "love loves respect* proud welcome* support* admire* appreciate* thank thanks celebrate* equal* rights dignity beautiful wonderful friend friends",
];
