//! Which three bytes in a row are common in texts: counted over a few million characters of prompts and documents, blanks and letters
//! without case. What the gate looks for is chosen so that it is rare.

/// Three bytes each, sorted.
static EVERYWHERE: &[u8] = b" a  an as be ca co de fo ha in is ma no of on pr re se sh st th to wh wi yoal an andas at ateaticond te ae ce ie oe se ted en enter erses forhathe herin ingionis le ll ly n tnd ng nt of on or prore ress as tse st t tte terth thathetioto you";
static COMMON: &[u8] = b" ac al ar at ba bu ch da di do en ex fi fr fu he hi ho i  it la le li lo me mo ne or pa pe po sa sc si so su ta te tr un us wa we woa pa sackactageainaliallameansantanyareartaseaveay be blecalcance cesch chacomctid ad bd id od sde dere be de ee fe le me pe re weareatectencenderaereessestet evef tfrog ag tge ghth ahinhishouic icaideighileillincineintistit iteithitiityiveld lealeslinmanmatme menn an in snalncene notns ntentiny o ao tom omeoneonsontoreormortot othou oulounouroutoveow perpleprequer ar ir sr tranratrearinritromrs ry s fs is os ss wsershosonss stastestistrt at it ot st wtedtenthithotictintortrats turty uldur ureuseut ve verwaswerwilwity ay t";
static FREQUENT: &[u8] = b" ab ad af ag ai am ap au bi bl bo br by ce ci cl cr cu dr du ea el em ev fa fe ga ge gi go gr if im ja jo ju ke ki kn mi mu my na op ot ou ph pl pu qu ra ri ro ru sp sy ti up va ve vi wr yea ba ca da fa la ma ra tablaboaccaceachad addadeaftaidailairakealealsam ambampanaancanganiannappar araarcardargariarkarrarsaryaskassastataathattatuausaysbacbasberbjebloboubrabutby carcatccecenchechichociacitck ckeclacleclucodcolcorcoucrecrict ctectocurd cd dd ed fd hd ld md nd pd rd ud wdandatdaydeddeldendesdetdevdindirdisdo dondowdreds duce ge he ne ue ve yeaceadealeameaneaseceecheciecoediee eedeenegaeineirel eleeliellelyem emaembemeemoenaeneengenseopequeriermernerrerterveryeseesiespetaeteethettetueview expextey f af ifacferffeffificfilfinfirfolfraftefulfung cg ig og sgangengergesgetgh gingivgptgragregroh sh thadhanharhashavheaheihelhemhenhesheyhichilho honhorhowht ia ialianiceichiciickictid ie ieniesif ifiignikeil iliimaimeimpinaindinfiniinsiouip iptir ireiseishisiitaitsiviizaizejecke kedkinknoks l al cl il ml ol pl sl tlaclanlarlaslatlayledleglemlenlerletliclieligliklislitllellillollylocloglonloolowls lsoludm am tmaimakmalmarmbemedmermesmetmilminmodmonmormosmovmplmpomptmusmy n bn cn dn en fn hn mn on pn rn wnamnatnclnctndandendindsnednernesnetnewnfongengsnicninnisnitniznlynneno nornownsensinstnswntantontrntso bo co do eo ho io mo po sockod odeoduoesoffogroinoldoleoliolloloommomponaondongonloodookopeoploraordorgoriorkorsoryoseostoteougousovioweowiownp apacpanparpaspecpenpicplaplipolponporposppepript ptiputr br cr dr er fr hr lr mr or pr rr wra racrairalramraprchrd recredreerefrelremrenrepretrevrgargeriaricrierigriprisrk rmarn rocrogronroprourovrrersorstrt rtis bs cs ds es hs ls ms ns ps rs uscrsecsedselsensessetsh shasheshisidsinsiosissitso somsouspespossassessistosubsucsurswesyst bt ct dt et ft ht lt mt pt rta taitaktaltantartattecteltemtestexthrtietiltimtittivtletlytontretritrotruttetwou au wualuchuctudeue uesuffughulauleultuncunduniuntup urauriurnus usiustuteuthutivalvelvenvesvidvievinvisw wwarwaywhawhewhiwhowinwn worwouwriy by cy dy fy hy iy my oy py ry sy wyeays ystythzat";

/// How common three bytes are in texts, roughly: signs in the midst of letters are rare, numbers are everywhere.
pub(crate) fn commonness(three: &[u8]) -> u32 {
    match three {
        [_, second, third] if third.is_ascii_digit() && second.is_ascii_digit() => return 100,
        // The gate stops there anyway.
        [_, _, third] if third.is_ascii_digit() => return 0,
        _ => {}
    }
    let of = |byte: &u8| match byte.to_ascii_lowercase() {
        b'_' => 0,
        b'0'..=b'9' => 1,
        b'-' | b'/' | b':' => 2,
        b'.' => 3,
        b'j' | b'q' | b'x' | b'z' => 4,
        b'k' | b'v' | b'b' | b'w' | b'y' | b'f' => 6,
        b'a'..=b'z' | b' ' => 9,
        _ => 5,
    };
    let counted = three.first_chunk().map_or(0, |three| counted(*three));
    counted.saturating_add(three.iter().map(of).sum())
}

/// What is added for three bytes that are among those counted.
fn counted(three: [u8; 3]) -> u32 {
    let folded = three.map(|byte| byte.to_ascii_lowercase());
    let is_in = |table: &[u8]| table.as_chunks::<3>().0.binary_search(&folded).is_ok();
    match () {
        () if is_in(EVERYWHERE) => 60,
        () if is_in(COMMON) => 40,
        () if is_in(FREQUENT) => 20,
        () => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_everywhere_is_common() {
        for table in [EVERYWHERE, COMMON, FREQUENT] {
            let (threes, rest) = table.as_chunks::<3>();
            assert!(rest.is_empty() && threes.is_sorted(), "a search needs an order");
        }
        for (rarer, commoner) in [
            ("sk-", "ing"),
            ("gno", "ign"),
            ("xq_", "the"),
            ("wri", "he "),
            ("tz ", "He "),
            ("orz", "for"),
            ("ab1", "a11"),
        ] {
            let of = |text: &str| commonness(text.as_bytes());
            assert!(of(rarer) < of(commoner), "{rarer} {commoner}");
        }
    }
}
