"""The words that `priority` counts, with their points. Phrases are lower case and without accents."""

from typing import Final

from app.inference.local.vocabulary import word_set

Table = dict[tuple[str, ...], float]

RELIEF: Final = "relief"
URGENCY: Final = frozenset({"deadline", "severity"})
"""Groups whose negation ("not urgent", "nicht dringend") is itself a statement that it may wait."""

FILLERS: Final = word_set(
    "a an any all at the this that these it its here there is are was were be been being so very really too much even "
    "yet particularly especially exactly big ein eine es ist sind war sehr so wirklich besonders gar es es muy tan "
    "realmente est sont si tres vraiment du tout n'est c'est d'une d'un un une una"
)
"""Words that may stand between a negation and what it negates."""

NEGATORS: Final = word_set(
    "no not never without neither nor nothing hardly isnt wasnt dont doesnt cannot kein keine keinen nicht nie "
    "niemals ohne sin nunca jamas pas jamais aucun aucune sans ne"
)


def _table(points: dict[float, str]) -> Table:
    """Points → phrases parted by commas."""
    return {tuple(phrase.split()): weight for weight, phrases in points.items() for phrase in phrases.split(",")}


GROUPS: Final[dict[str, Table]] = {
    "severity": _table(
        {
            26.0: "data loss,data breach,data leak,leaked,ransomware,ransom note,patient safety,life threatening,"
            "datenverlust,datenleck,fuite de donnees,perdida de datos,all data gone,lost all data",
            20.0: "critical,emergency,severe,catastrophic,disaster,security breach,hacked,stolen,compromised,"
            "unauthorised access,unauthorized access,exfiltration,kritisch,notfall,gehackt,critico,hackeado,pirate,"
            "critique,p1,sev1,sev 1,injection,vulnerability,sicherheitslucke,vulnerabilidad,faille",
            14.0: "major,serious,blocker,blocking,blocked,production,cannot work,can't work,nobody can work,"
            "losing money,lose money,losing customers,schwerwiegend,blockiert,bloqueante,bloquant,phishing,malware",
            8.0: "crash,crashes,crashed,crashing,corrupted,fails,failed,failing,failure,broken,lost,absturz,"
            "sturzt ab,defekt,plante,falla,fallo,wrong amount,charged twice,doppelt abgebucht,overcharged",
        }
    ),
    "outage": _table(
        {
            24.0: "outage,is down,are down,went down,site down,down again,completely down,totalausfall,komplettausfall,"
            "ausfall,caido,caida,panne,en panne,hors service,service unavailable,503,502,system down,"
            "nothing works,nichts geht,rien ne marche,standing still,halted",
            18.0: "unreachable,offline,not responding,doesn't respond,does not respond,unavailable,unerreichbar,"
            "nicht erreichbar,inaccessible,inaccesible,connection refused,500,504,gateway timeout,stopped working,"
            "storung,antwortet nicht,no responde,ne repond pas",
        }
    ),
    "scope": _table(
        {
            16.0: "everyone,everybody,all users,all customers,all our users,all our customers,all clients,"
            "whole company,entire company,whole organisation,whole organization,entire organisation,"
            "entire organization,company wide,all colleagues,every customer,every user,nobody,no one,"
            "all departments,all offices,all tenants,every tenant,alle benutzer,alle kunden,alle nutzer,niemand,"
            "ganze firma,todos los usuarios,todos los clientes,nadie,tous les utilisateurs,tous nos clients,"
            "tous les clients,plus personne,whole site,entire site,whole school,complete school,hundreds of users,"
            "thousands of users",
            8.0: "several users,many users,our team,whole team,entire team,several customers,many customers,department,"
            "mehrere benutzer,viele kunden,varios usuarios,plusieurs utilisateurs,other users,other customers",
        }
    ),
    "deadline": _table(
        {
            16.0: "immediately,at once,right now,right away,asap,as soon as possible,urgent,urgently,urgence,"
            "dringend,sofort,umgehend,urgente,inmediatamente,de inmediato,immediatement,tres urgent,"
            "within the hour,every minute,time critical",
            10.0: "today,by tomorrow,until tomorrow,before noon,by friday,by monday,deadline,end of day,eod,"
            "bis morgen,heute noch,hoy mismo,aujourd'hui,tonight,this afternoon,exam,live event",
        }
    ),
    "sentiment": _table(
        {
            8.0: "unacceptable,outrageous,lawyer,legal action,furious,cancel our contract,cancel the contract,"
            "inakzeptabel,unverschamt,anwalt,inaceptable,inacceptable,abogado,avocat,worst,ridiculous",
            4.0: "disappointed,frustrated,frustrating,annoyed,annoying,angry,terrible,terribly,fed up,unhappy,"
            "enttauscht,argerlich,frustrado,decu,frustre,decepcionado",
        }
    ),
    "repeat": _table(
        {
            8.0: "third time,fourth time,still not,still no answer,no reply,no answer,no response,again and again,"
            "every time,zum dritten mal,immer noch nicht,immer wieder,todavia no,toujours pas,keine antwort,"
            "sin respuesta,sans reponse,already reported,reported this before,several times",
            5.0: "again,second time,once more,reminder,following up,follow up,erneut,schon wieder,otra vez,"
            "a nouveau,encore,any news,since last week,for weeks",
        }
    ),
    RELIEF: _table(
        {
            -16.0: "no rush,no hurry,whenever you have time,when you have time,when you find time,low priority,"
            "nice to have,not urgent,nicht eilig,keine eile,hat zeit,nicht dringend,sin prisa,no es urgente,"
            "pas urgent,pas presse,quand vous aurez le temps,can wait,kann warten,please ignore,just testing",
            -10.0: "cosmetic,typo,minor,small thing,tiny,trivial,just curious,just wondering,kleinigkeit,"
            "schonheitsfehler,tippfehler,pequeno detalle,petit detail,only an idea,just an idea,workaround,"
            "all good now,solved,resolved,erledigt,resuelto,resolu,mineur",
        }
    ),
}
